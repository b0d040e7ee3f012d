"""Example: text, headings and tables of PDFs, page by page."""

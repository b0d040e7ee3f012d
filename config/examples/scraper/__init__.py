"""Example: pages and whole sites as text, links and tables."""

"""Example: what search engines find wrong with a page or a site."""

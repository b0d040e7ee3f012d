"""Pages of the public web, fetched with care and read as they are.

The examples docparse, scraper and seo share it, and whoever copies one of them copies this too:
what keeps a model from the hosts of one's own network shall stand in one place, not in three.
"""

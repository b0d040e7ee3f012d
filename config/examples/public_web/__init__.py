"""What the examples docparse, scraper and seo share: pages of the public web, fetched with care."""

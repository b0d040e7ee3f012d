"""The operators' pages at /console: what is on record, what goes wrong, and mending it."""

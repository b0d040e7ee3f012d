"""The only speakers of Redis."""

"""Example: retrieval over a repository, with citations."""

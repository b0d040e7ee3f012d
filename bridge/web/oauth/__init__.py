"""Doors for OAuth clients: the built-in authorization server, on the SDK's provider interface."""

"""Who asks, and what they may: hooks, scopes, issuers."""

"""The bridge from outside: what comes in by the front door, as an MCP client or as a sender."""

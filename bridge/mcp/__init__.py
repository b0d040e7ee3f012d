"""The MCP endpoint: one exchange, many wires."""

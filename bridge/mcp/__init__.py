"""The MCP door: one exchange, many wires."""

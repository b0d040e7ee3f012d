"""The commands of `n8n-bridge`."""

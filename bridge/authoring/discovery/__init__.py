"""`discover`: from the workflows that n8n has published to a server file."""

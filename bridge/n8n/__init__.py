"""All that is n8n's: requests to it, what its answers mean, its addresses."""

"""What people write: settings, server files, and the servers that come of them."""

"""What helps people to write servers: nothing here runs in a process that serves."""

"""TCP and HTTP below the app: serving, connections, limits, and HTTP to public hosts."""

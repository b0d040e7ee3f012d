"""The verbs: the only places that decide. Doors call them, they call the store."""

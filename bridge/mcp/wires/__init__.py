"""The wires: each only frames and unframes."""

"""`new`: the folder of a new server, from templates."""

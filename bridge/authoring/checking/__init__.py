"""`check`: all that is wrong with server files, for people and for programs."""

"""One machine: an embedded Valkey, child processes, the data folder."""

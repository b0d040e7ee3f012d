"""The worker process: RQ jobs on one event loop."""

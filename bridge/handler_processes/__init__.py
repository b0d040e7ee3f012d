"""Processes that run handlers, as their worker sees them: started, watched, ended, replaced."""

"""Checks of what the bridge stands on, the same for `doctor` and for the operators' pages."""

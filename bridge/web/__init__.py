"""The HTTP doors: hooks in, events out, health."""

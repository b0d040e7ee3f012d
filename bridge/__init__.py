"""The bridge between n8n and Claude: doors, verbs and stores."""

__version__ = "0.1.0"

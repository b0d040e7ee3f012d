"""A stand-in for n8n 2.41: answers as a real one was seen to answer, and remembers."""

from bridge.standin.app import create_app, create_standin
from bridge.standin.serving import serving
from bridge.standin.standin import Standin

__all__ = ["Standin", "create_app", "create_standin", "serving"]

"""What a workflow in Python is written with: the context of a call, and a failure to tell."""

from bridge.handlers.context import Failure
from bridge.handlers.context import HandlerContext as Context

__all__ = ["Context", "Failure"]

"""What a workflow in Python is written with: the context of a call, who asks, a failure to tell."""

from bridge.handlers.context import Failure
from bridge.handlers.context import HandlerCaller as Caller
from bridge.handlers.context import HandlerContext as Context

__all__ = ["Caller", "Context", "Failure"]

"""Runs a command of the bridge that is killed at a point of its own choosing, as by `kill -9`.

`python -m tests.fault_points POINT web|worker …` is `python -m bridge web|worker …` but for one
method that never returns once it has succeeded: whoever called it is gone by then.
"""

import functools
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from bridge.__main__ import main
from bridge.direct_replies import DirectReplies
from bridge.store.calls import CallStore
from bridge.store.events import EventStore
from bridge.store.replies import ReplyStore
from bridge.store.runs import RunStore
from bridge.web.held import WatchedAnswer
from workers.n8n import N8n

POINTS: dict[str, tuple[type, str]] = {
    "event-recorded": (EventStore, "accept"),
    "event-taken": (EventStore, "take"),
    "call-recorded": (CallStore, "create"),
    "call-leased": (RunStore, "lease"),
    "call-sent-at-recorded": (RunStore, "sent"),
    "call-answered": (N8n, "run_workflow"),
    "call-awaited": (RunStore, "await_callback"),
    "call-settled": (RunStore, "finish"),
    "reply-recorded": (EventStore, "answer"),
    "reply-leased": (ReplyStore, "lease"),
    "reply-answered": (N8n, "resume"),
    "reply-settled": (ReplyStore, "settle"),
    "reply-awaited": (DirectReplies, "wait"),
    "reply-written": (WatchedAnswer, "write"),
}
"""Each point is right after a method has done what it is for, so right before all that follows."""

P = ParamSpec("P")
T = TypeVar("T")


def deadly(method: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Let a method do its work, and end the process if it did any."""

    @functools.wraps(method)
    async def dies(*args: P.args, **kwargs: P.kwargs) -> T:
        done = await method(*args, **kwargs)
        if done:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    return dies


if __name__ == "__main__":
    owner, name = POINTS[sys.argv.pop(1)]
    setattr(owner, name, deadly(getattr(owner, name)))
    main()

"""Runs a command of the bridge that is killed at a point of its own choosing, as by `kill -9`.

`python -m tests.fault_points POINT web|worker …` is `python -m bridge web|worker …` but for one
method that never returns once it has succeeded: whoever called it is gone by then. Or but for one
answer to Claude, over which the process dies right before or right after its frame is written.
"""

import asyncio
import functools
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar

from starlette.applications import Starlette
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge.__main__ import main
from bridge.app import BridgeApp
from bridge.cli import web as web_command
from bridge.n8n.client import N8n
from bridge.n8n.connections import FreshConnection
from bridge.net.connection import connection_of
from bridge.net.receivers import Receivers
from bridge.store.alerts import AlertStore
from bridge.store.approvals import ApprovalStore
from bridge.store.calls import CallStore
from bridge.store.claims import ClaimStore
from bridge.store.events import EventStore
from bridge.store.replies import ReplyStore
from bridge.store.runs import RunStore
from bridge.store.sessions import StreamStore
from bridge.store.subscriptions import SubscriptionStore
from bridge.verbs.replies import DirectReplies
from bridge.verbs.running_again import RunningAgain
from bridge.web.hooks import WatchedAnswer
from workers.bookkeeping import Bookkeeping

POINTS: dict[str, tuple[type, str]] = {
    "event-recorded": (EventStore, "accept"),
    "request-recorded": (StreamStore, "register"),
    "event-taken": (ClaimStore, "take"),
    "call-recorded": (CallStore, "create"),
    "job-taken": (Bookkeeping, "take"),
    "call-leased": (RunStore, "lease"),
    "call-connected": (FreshConnection, "open"),
    "call-sent-at-recorded": (RunStore, "sent"),
    "call-answered": (N8n, "run_workflow"),
    "call-awaited": (RunStore, "await_callback"),
    "call-settled": (RunStore, "finish"),
    "call-approved": (ApprovalStore, "approve"),
    "call-refused": (ApprovalStore, "refuse"),
    "call-lapsed": (ApprovalStore, "lapse"),
    "approval-asked": (ApprovalStore, "ask"),
    "approval-read": (ApprovalStore, "asked"),
    "reply-recorded": (EventStore, "answer"),
    "reply-leased": (ReplyStore, "lease"),
    "reply-answered": (N8n, "resume"),
    "reply-settled": (ReplyStore, "settle"),
    "alert-decided": (AlertStore, "judge"),
    "alert-taken": (AlertStore, "take"),
    "telling-leased": (SubscriptionStore, "lease"),
    "telling-posted": (Receivers, "post"),
    "telling-advanced": (SubscriptionStore, "advance"),
    "bulk-record-run-again": (RunningAgain, "run_event"),
    "reply-awaited": (DirectReplies, "wait"),
    "reply-written": (WatchedAnswer, "write"),
}
"""Each point is right after a method has done what it is for, so right before all that follows."""

FRAME_POINTS = {"frame-unwritten": False, "frame-written": True}
"""Whether the answer whose label begins with DOOMED has left the process when that dies."""

DOOMED = "doomed"
FLUSHED_S = 0.05
"""How long the loop takes at most to hand a written frame to the system."""

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


class DeadlyFrame:
    """Ends the process over the first write of a doomed answer, whatever wire it goes out on."""

    def __init__(self, app: ASGIApp, *, is_written: bool) -> None:
        self._app = app
        self._is_written = is_written
        self._mark = f'"label":"{DOOMED}'.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""

        async def send_and_die(message: Message) -> None:
            is_doomed = self._mark in message.get("body", b"")
            if self._is_written or not is_doomed:
                await send(message)
            if is_doomed:
                await asyncio.sleep(FLUSHED_S)
                os.kill(os.getpid(), signal.SIGKILL)

        await self._app(scope, receive, send_and_die)
        connection = connection_of(scope)
        if connection and (rest := connection.rest):
            connection.rest = lambda _send: rest(send_and_die)


def arm(point: str) -> None:
    """Lay the trap."""
    if point in POINTS:
        owner, name = POINTS[point]
        setattr(owner, name, deadly(getattr(owner, name)))
        return

    def create_deadly_app(*args: Any, **options: Any) -> Starlette:
        app = BridgeApp(*args, **options)
        app.add_middleware(DeadlyFrame, is_written=FRAME_POINTS[point])
        return app

    vars(web_command)["BridgeApp"] = create_deadly_app


if __name__ == "__main__":
    arm(sys.argv.pop(1))
    main()

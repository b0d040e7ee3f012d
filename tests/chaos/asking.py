"""What clients on every wire share: a request is answered, or it is known to be dropped."""

import itertools
import time
from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

import httpx2

from tests.doors.by_hand import Event, Message, call

PATIENCE_S = 60.0
"""How long a client waits for an answer on a connection that stays open."""

TOOL_USE_META_KEY = "claudecode/toolUseId"


class DroppedError(Exception):
    """No answer came to a request, and none will: the client has to ask again."""


class SilentError(DroppedError):
    """No answer came in PATIENCE_S, though nothing broke."""


@dataclass
class Ask:
    """The wish to have a tool called; `on_accepted` is told of the first 2xx.

    `story` says what became of each request, and when, in seconds since 1970.
    """

    tool: str
    arguments: dict[str, Any]
    tool_use: str = ""
    on_accepted: Callable[[], None] = field(default=lambda: None)
    story: list[tuple[float, str]] = field(default_factory=list)

    def tell(self, what: str) -> None:
        """Add to the story what happened just now."""
        self.story.append((time.time(), what))

    def message(self, request_id: int) -> Message:
        """Write it as a request."""
        message = call(self.tool, request_id, **self.arguments)
        if self.tool_use:
            message["params"]["_meta"] = {TOOL_USE_META_KEY: self.tool_use}
        return message


class Claude(Protocol):
    """One client on one wire."""

    async def ask(self, ask: Ask) -> Message:
        """Call a tool and give the JSON-RPC answer.

        Raises:
            DroppedError: there will be none.
        """


@dataclass
class Client:
    """Where a client's requests go, and what it numbers them with."""

    http: httpx2.AsyncClient
    origin: str
    name: str
    random: Random
    ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))


def take(response: httpx2.Response, status: int = 200) -> None:
    """Go on with an answer of that status only.

    Raises:
        DroppedError: it has another one.
    """
    if response.status_code != status:
        raise DroppedError(f"HTTP {response.status_code}")


async def answer_among(events: AsyncIterable[Event], request_id: int) -> Message | None:
    """Read a stream up to the answer to a request; None when it ends before."""
    async for event in events:
        if event.data and event.message.get("id") == request_id:
            return event.message
    return None

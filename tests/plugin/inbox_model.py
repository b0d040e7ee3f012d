"""The model's part where Claude Code is woken: takes and answers each event that it is told of."""

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.hosts.scripted_model import FAREWELL, Block, count, said, text_of

TOOLS = "mcp__plugin_n8n-bridge_n8n__"
"""What Claude Code puts before the names of the plugin's tools."""

LINE = re.compile(r"<event>(.*?)</event>", re.DOTALL)
EVENT_ID = re.compile(r'"event_id": "(evt_[\w-]+)"')
REPLY = {"answer": "It was answered."}


@dataclass
class Conversation:
    """What was said in a session so far, as far as it is about events."""

    told: Counter[str] = field(default_factory=Counter)
    takes: Counter[str] = field(default_factory=Counter)
    leases: dict[str, str] = field(default_factory=dict)
    replied: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)

    def next_call(self) -> tuple[str, dict[str, Any]] | None:
        """Return the tool to call next, and with what; None where all that was told is done."""
        for event_id, lease in self.leases.items():
            if lease not in self.replied:
                return "reply_to_event", {"event_id": event_id, "lease": lease, "reply": REPLY}
        for event_id, times in self.told.items():
            if self.takes[event_id] < times:
                return "take_event", {"event_id": event_id}
        return None


def read(messages: list[Block]) -> Conversation:
    """Read a session."""
    found, uses = Conversation(), dict[str, Block]()
    for block in _parts(messages):
        if block["type"] == "text":
            for line in LINE.findall(block["text"]):
                found.told.update(EVENT_ID.findall(line))
        elif block["type"] == "tool_use":
            uses[block["id"]] = block
            given = block["input"]
            if block["name"] == f"{TOOLS}take_event":
                found.takes[given["event_id"]] += 1
            else:
                found.replied.add(given["lease"])
        elif block["type"] == "tool_result" and not block.get("is_error"):
            use = uses[block["tool_use_id"]]
            if use["name"] == f"{TOOLS}take_event":
                taken = json.loads(text_of(block.get("content")))
                found.leases[taken["event_id"]] = taken["lease"]
            else:
                found.answered.add(use["input"]["event_id"])
    return found


def _parts(messages: list[Block]) -> Iterator[Block]:
    for message in messages:
        content = message["content"]
        yield from [{"type": "text", "text": content}] if isinstance(content, str) else content


class InboxModel:
    """Speaks for the model in any number of sessions.

    `taken_at` says when the first session saw an event's payload, `answers` how many saw that they
    had answered it. It is idle while it has said farewell to the last that spoke.
    """

    def __init__(self) -> None:
        self.taken_at: dict[str, float] = {}
        self.answers: Counter[str] = Counter()
        self.faults: list[str] = []
        self.is_idle = False
        self._sessions: dict[str, Conversation] = {}
        self.app = Starlette(
            routes=[
                Route("/v1/messages", self._speak, methods=["POST"]),
                Route("/v1/messages/count_tokens", count, methods=["POST"]),
            ]
        )

    async def _speak(self, request: Request) -> Response:
        body = await request.json()
        if not any(tool.get("name", "").startswith(TOOLS) for tool in body.get("tools") or ()):
            return said(body, {"type": "text", "text": "ok"})
        now, conversation = time.time(), read(body["messages"])
        session = request.headers.get("x-claude-code-session-id", "")
        before = self._sessions.get(session, Conversation())
        self._sessions[session] = conversation
        for event_id in conversation.leases:
            self.taken_at.setdefault(event_id, now)
        self.answers.update(conversation.answered - before.answered)
        call = conversation.next_call()
        self.is_idle = call is None
        if call is None:
            return said(body, {"type": "text", "text": FAREWELL})
        tool, arguments = call
        use_id = f"toolu_{time.time_ns():024x}"
        use = {"type": "tool_use", "id": use_id, "name": f"{TOOLS}{tool}", "input": arguments}
        return said(body, use)

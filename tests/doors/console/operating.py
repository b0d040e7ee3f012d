"""A console to try pages at, and browsers of whoever has logged in."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from bridge.models import CallId, EventId, LeaseRef, LeaseToken, Principal, ReplyStatus
from tests.apps import RunningApp, running_app, there
from tests.doors.by_hand import N8N, authorization
from tests.doors.conftest import DESK
from tests.store.call_records import new_call

OPERATOR, VIEWER = "operator-token-of-the-tests", "viewer-token-of-the-tests"
TOKENS = {"operator_token": SecretStr(OPERATOR), "viewer_token": SecretStr(VIEWER)}
ALICE = Principal("desk", "alice")


def acts(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str, str]]:
    """Return what the audit has: who did what to which, and how it ended."""
    lines = [vars(line) for line in caplog.records if line.name == "audit"]
    return [(line["who"], line["what"], line["which"], line["outcome"]) for line in lines]


@dataclass(frozen=True)
class Desktop:
    """A running bridge and a browser at its console."""

    door: RunningApp

    @property
    def browser(self) -> httpx2.AsyncClient:
        """What asks for pages, and keeps cookies."""
        return self.door.client

    async def log_in(self, token: str = OPERATOR, **more: str) -> httpx2.Response:
        """Post the login form."""
        return await self.browser.post("/console/login", data={"token": token, **more})

    async def show(self, path: str, status: int = 200) -> str:
        """Return the text of a page, which must be there."""
        answer = await self.browser.get(f"/console{path}")
        assert answer.status_code == status, answer.text
        return answer.text

    async def act(self, path: str, act: str) -> httpx2.Response:
        """Post the form that a page has for an act."""
        form = re.search(
            rf'action="(/console{path}/{act})">\s*<input[^>]*name="csrf" value="(\w+)"',
            await self.show(path),
        )
        assert form, f"the page has no form to {act}"
        return await self.browser.post(form[1], data={"csrf": form[2]})

    async def send(self, payload: Any, **headers: str) -> EventId:
        """Send an event as n8n does."""
        return await self.send_raw(json.dumps(payload).encode(), **headers)

    async def send_raw(self, body: bytes, **headers: str) -> EventId:
        """Send an event with this JSON, byte for byte."""
        said = authorization(N8N) | {"content-type": "application/json"} | headers
        answer = await self.browser.post("/hooks/desk/letters", content=body, headers=said)
        assert answer.status_code == 202, answer.text
        return EventId(answer.json()["event_id"])

    async def take(self) -> LeaseRef:
        """Take the next event as Claude does."""
        taken = await self.door.runtime.mcp.takers.take(DESK, ALICE, None, 0, there)
        assert taken
        return LeaseRef(taken.event.event_id, taken.token, ALICE)

    async def set_aside(self) -> EventId:
        """Take the next event and set it aside."""
        held = await self.take()
        await self.door.runtime.mcp.events.release(held, reason="cannot", delay_s=0, dead=True)
        return held.event_id

    async def dead_reply(self) -> EventId:
        """Answer the next event; n8n takes the answer no more."""
        held = await self.take()
        await self.door.runtime.mcp.events.reply(DESK, held, "thanks")
        replies = self.door.runtime.stores.replies
        sending = await replies.lease(held.event_id, LeaseToken("t"))
        assert sending
        await replies.settle(sending, ReplyStatus.DEAD, failure="n8n said no")
        return held.event_id

    async def call(self, **changes: Any) -> CallId:
        """Make a call as Claude does."""
        calls = self.door.runtime.stores.calls
        return (await calls.create(new_call(ALICE, **({"workflow": "stamp"} | changes)))).call_id


@asynccontextmanager
async def desktop(redis_url: str, **settings: Any) -> AsyncIterator[Desktop]:
    """Run a bridge with a console while the block lasts."""
    async with running_app(redis_url, DESK, **(TOKENS | settings)) as door:
        yield Desktop(door)

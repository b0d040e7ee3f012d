"""Prefer: wait=N: the request is held for the reply, which goes back with it or to its address."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from os import fsdecode
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bridge.app import BridgeApp
from bridge.configuration.servers import Server
from bridge.configuration.settings import Settings
from bridge.errors import StoreUnavailableError
from bridge.local.valkey import EmbeddedValkey
from bridge.models import EventId, LeaseRef, Principal, new_lease_token
from bridge.runtime import Runtime
from tests.apps import there
from tests.serving import serving
from tests.waiting import impatient, wait_until

N8N = "http://n8n:5678"
ADDRESS = {"Bridge-Reply-Url": f"{N8N}/webhook-waiting/7/reply"}
CLAUDE = Principal("support", "local")
SUPPORT = Server.model_validate(
    {
        "name": "support",
        "hooks": {
            "ticket": {"auth": {"bearer": "token"}},
            "late": {"auth": {"bearer": "token"}, "answer_within": 60, "default_reply": "never"},
        },
    }
)


@dataclass(frozen=True)
class Door:
    """A served app, and n8n's client of it."""

    app: BridgeApp
    http: httpx2.AsyncClient

    @property
    def runtime(self) -> Runtime:
        runtime: Runtime = self.app.runtime
        return runtime

    async def send(
        self, *headers: dict[str, str], wait: int = 20, hook: str = "ticket"
    ) -> httpx2.Response:
        """Send an event as n8n does, on a connection of its own."""
        given = {"Authorization": "Bearer token", "Prefer": f"wait={wait}", "Connection": "close"}
        for more in headers:
            given |= more
        return await self.http.post(f"/hooks/support/{hook}", json={"a": 1}, headers=given)

    async def reply(self, value: Any) -> EventId:
        """Take the event that a sender waits with, and answer it."""
        taken = await self.runtime.mcp.takers.take(SUPPORT, CLAUDE, None, 10, there)
        assert taken
        event_id = taken.event.event_id
        await self.runtime.mcp.events.reply(SUPPORT, LeaseRef(event_id, taken.token, CLAUDE), value)
        return event_id

    async def reply_status(self, event_id: EventId) -> str:
        event = await self.runtime.stores.events.read(event_id)
        assert event
        return event.reply.status

    async def is_waited_for(self) -> EventId:
        """Wait until a process holds a reply for a sender that waits; returns its event's id."""
        held = f"{{bridge}}:held:{self.runtime.process}"
        found: list[str] = []

        async def is_held() -> bool:
            members = map(fsdecode, await self.runtime.redis.smembers(held))
            found[:] = [member for member in members if member.startswith("reply ")]
            return bool(found)

        await wait_until(is_held, "the reply is held")
        return EventId(found[0].split()[1])


@asynccontextmanager
async def open_door(redis_url: str) -> AsyncIterator[Door]:
    app = BridgeApp(Settings(redis_url=redis_url, n8n_url=N8N), {SUPPORT.name: SUPPORT})
    async with serving(app) as url, httpx2.AsyncClient(base_url=url, timeout=30) as http:
        yield Door(app, http)


@pytest.fixture
async def door(redis_url: str) -> AsyncIterator[Door]:
    async with open_door(redis_url) as opened:
        yield opened


@pytest.mark.parametrize("value", ["yes", None, {"error": "in the reply"}, [1], "x" * 3_000_000])
async def test_a_reply_in_time_goes_back_with_the_request(door: Door, value: Any) -> None:
    sending = asyncio.create_task(door.send())

    event_id = await door.reply(value)

    response = await sending
    assert response.status_code == 200
    assert response.headers["preference-applied"] == "wait=20"
    assert response.json() == {
        "event_id": event_id,
        "status": "answered",
        "duplicate": False,
        "reply": value,
        "status_url": response.json()["status_url"],
    }


async def test_a_reply_that_went_back_is_not_sent_to_its_address(door: Door) -> None:
    sending = asyncio.create_task(door.send(ADDRESS))
    await door.is_waited_for()

    event_id = await door.reply("yes")

    assert (await sending).json()["reply"] == "yes"
    await wait_until(lambda: is_delivered(door, event_id), "settled")
    event = await door.runtime.stores.events.read(event_id)
    assert event
    assert (event.reply.status, event.reply.attempts) == ("delivered", 0)
    assert await door.runtime.stores.replies.lease(event_id, new_lease_token()) is None


async def test_nobody_else_sends_a_reply_while_its_sender_waits(door: Door) -> None:
    sending = asyncio.create_task(door.send(ADDRESS))
    event_id = await door.is_waited_for()

    assert await door.runtime.stores.replies.lease(event_id, new_lease_token()) is None

    await door.reply("yes")
    await sending


async def test_without_a_reply_in_time_the_event_stays_accepted(door: Door) -> None:
    response = await door.send(ADDRESS, wait=1)

    assert response.status_code == 202
    assert response.headers["preference-applied"] == "wait=1"
    assert (response.json()["status"], response.json()["duplicate"]) == ("queued", False)
    event_id = await door.reply("late")
    assert await door.runtime.stores.replies.lease(event_id, new_lease_token()) is not None


async def test_more_than_290_seconds_count_as_290(door: Door) -> None:
    sending = asyncio.create_task(door.send(wait=100_000))

    await door.reply("yes")

    assert (await sending).headers["preference-applied"] == "wait=290"


async def test_a_duplicate_waits_like_the_first(door: Door) -> None:
    key = {"Idempotency-Key": "one"}
    first = asyncio.create_task(door.send(key, ADDRESS))
    await door.is_waited_for()
    again = asyncio.create_task(door.send(key, ADDRESS))

    await door.reply("yes")

    answers = await asyncio.gather(first, again)
    assert sorted(answer.json()["duplicate"] for answer in answers) == [False, True]
    assert [(answer.status_code, answer.json()["reply"]) for answer in answers] == [
        (200, "yes")
    ] * 2


async def test_a_duplicate_takes_over_from_a_sender_that_has_left(door: Door) -> None:
    """As when n8n gives a request up and sends it again."""
    key = {"Idempotency-Key": "one", **ADDRESS}
    first = asyncio.create_task(door.send(key))
    event_id = await door.is_waited_for()
    again = asyncio.create_task(door.send(key))
    await leave(first)
    await wait_until(lambda: len(door.app.mcp.streams) == 1, "the first has left")

    await door.reply("yes")

    assert (await again).json()["reply"] == "yes"
    await wait_until(lambda: is_delivered(door, event_id), "settled")


async def is_delivered(door: Door, event_id: EventId) -> bool:
    return await door.reply_status(event_id) == "delivered"


async def leave(sending: asyncio.Task[httpx2.Response]) -> None:
    sending.cancel()
    with suppress(asyncio.CancelledError):
        await sending


async def test_the_reply_to_a_sender_that_has_left_goes_to_its_address(door: Door) -> None:
    sending = asyncio.create_task(door.send(ADDRESS))
    await door.is_waited_for()

    await leave(sending)
    await wait_until(lambda: len(door.app.mcp.streams) == 0, "nothing is held open")

    event_id = await door.reply("yes")
    assert await door.runtime.stores.replies.lease(event_id, new_lease_token()) is not None
    await wait_until(lambda: len(pending()) == 0, "no task is left")


def pending() -> list[asyncio.Task[Any]]:
    """Name the tasks that wait with a sender."""
    names = ("DirectReplies.wait", "_until_gone")
    return [
        task
        for task in asyncio.all_tasks()
        if any(name in getattr(task.get_coro(), "__qualname__", "") for name in names)
    ]


async def test_an_expired_event_gives_its_default_reply(door: Door) -> None:
    sending = asyncio.create_task(door.send(ADDRESS, hook="late"))
    event_id = await door.is_waited_for()

    await door.runtime.redis.zadd("{bridge}:event_deadlines", {event_id: 1})
    await door.runtime.stores.events.sweep()

    response = await sending
    assert response.status_code == 200
    assert (response.json()["status"], response.json()["reply"]) == ("expired", "never")
    await wait_until(lambda: is_delivered(door, event_id), "settled")


async def test_a_drain_answers_those_who_wait_at_once(door: Door) -> None:
    sending = asyncio.create_task(door.send(ADDRESS, wait=200))
    event_id = await door.is_waited_for()

    door.app.drain()

    assert (await sending).status_code == 202
    await door.reply("yes")
    assert await door.runtime.stores.replies.lease(event_id, new_lease_token()) is not None


async def test_a_hundred_senders_wait_at_once(door: Door) -> None:
    waiting = [asyncio.create_task(door.send()) for _ in range(100)]

    given = {await door.reply(n): n for n in range(100)}

    answers = [response.json() for response in await asyncio.gather(*waiting)]
    assert {answer["event_id"]: answer["reply"] for answer in answers} == given


async def test_a_store_that_is_away_meanwhile_ends_no_waiting(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as store, open_door(store.url) as door:
        sending = asyncio.create_task(door.send(ADDRESS))
        event_id = await door.is_waited_for()
        await store.stop()
        with impatient(door.runtime.steps), pytest.raises(StoreUnavailableError):
            await door.reply_status(event_id)

        await store.start()

        await door.reply("yes")
        assert (await sending).json()["reply"] == "yes"


async def test_a_sender_that_leaves_while_the_store_is_away_leaves_the_reply_to_its_address(
    tmp_path: Path,
) -> None:
    async with EmbeddedValkey(tmp_path) as store, open_door(store.url) as door:
        sending = asyncio.create_task(door.send(ADDRESS))
        event_id = await door.is_waited_for()
        await store.stop()
        with impatient(door.runtime.steps):
            await leave(sending)
            with pytest.raises(StoreUnavailableError):
                await door.reply_status(event_id)

        await store.start()

        await wait_until(lambda: len(pending()) == 0, "the reply is let go")
        await door.reply("yes")
        assert await door.runtime.stores.replies.lease(event_id, new_lease_token()) is not None

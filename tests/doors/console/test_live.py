"""/console/live: pages hear of what has changed, once a second, while their login counts."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from redis.asyncio import Redis

from bridge.app import BridgeApp
from bridge.configuration.settings import Settings
from bridge.console import live
from bridge.local.valkey import EmbeddedValkey
from bridge.models import new_lease_token
from tests.apps import RunningApp
from tests.doors.by_hand import Event, events
from tests.doors.conftest import DESK
from tests.doors.console.operating import OPERATOR, TOKENS, VIEWER, Desktop
from tests.serving import serving
from tests.waiting import commands, impatient, wait_until

WITHIN_S = 15
"""How long a busy machine may take; how soon it is usually is said by the performance page."""


@dataclass
class Following:
    """A stream as a page of a browser has it."""

    status: int = 0
    heard: list[Event] = field(default_factory=list)
    is_over: bool = False

    def changes(self) -> int:
        """Count what it was told of."""
        return sum(event.data == "changed" for event in self.heard)

    async def hears(self, count: int) -> None:
        """Wait until it was told of so many changes."""
        await wait_until(lambda: self.changes() >= count, f"{count} changes", WITHIN_S)


@contextlib.asynccontextmanager
async def served(redis_url: str, **settings: object) -> AsyncIterator[Desktop]:
    """Serve a bridge with a console on a port; a browser has logged in."""
    given = {"keepalive_s": 0.5, **TOKENS, **settings}
    app = BridgeApp(Settings(redis_url=redis_url, **given), {DESK.name: DESK})
    async with serving(app) as address, httpx2.AsyncClient(base_url=address, timeout=20) as browser:
        desk = Desktop(RunningApp(app, browser))
        await desk.log_in()
        yield desk


@contextlib.asynccontextmanager
async def following(desk: Desktop, of: str, **headers: str) -> AsyncIterator[Following]:
    """Follow what a page shows while the block lasts; it was told where it begins."""
    found = Following()

    async def listen() -> None:
        path = f"/console/live?of={of}"
        async with desk.browser.stream("GET", path, headers=headers) as answer:
            found.status = answer.status_code
            async for event in events(answer):
                found.heard.append(event)
        found.is_over = True

    listening = asyncio.create_task(listen())
    try:
        await wait_until(lambda: found.status, "an answer")
        if found.status == 200:
            await found.hears(1)
        yield found
    finally:
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError, httpx2.HTTPError):
            await listening


async def test_lists_and_the_first_page_hear_of_each_step_of_an_event(redis_url: str) -> None:
    async with (
        served(redis_url) as desk,
        following(desk, "events") as listed,
        following(desk, "events&name=desk") as of_desk,
        following(desk, "events&name=other") as of_other,
        following(desk, "now") as now,
    ):
        await desk.send({})
        for each in (listed, of_desk, now):
            await each.hears(2)
        held = await desk.take()
        for each in (listed, of_desk):
            await each.hears(3)
        await desk.door.runtime.mcp.events.reply(DESK, held, "thanks")
        for each in (listed, of_desk):
            await each.hears(4)
        assert of_other.changes() == 1


async def test_a_record_hears_of_what_happens_to_it_and_of_nothing_else(redis_url: str) -> None:
    async with served(redis_url) as desk:
        event_id = await desk.send({})
        other = await desk.send({})
        call_id = await desk.call()
        async with (
            following(desk, f"event&name={event_id}") as event,
            following(desk, f"event&name={other}") as untouched,
            following(desk, f"call&name={call_id}") as call,
            following(desk, "calls") as calls,
        ):
            held = await desk.take()
            await event.hears(2)
            await desk.door.runtime.mcp.events.extend(held, 60)
            await event.hears(3)
            runs = desk.door.runtime.stores.runs
            running = await runs.lease(call_id, new_lease_token())
            assert running
            await call.hears(2)
            await calls.hears(2)
            await runs.sent(running)
            await call.hears(3)
            assert untouched.changes() == 1


@pytest.mark.parametrize("pace", ["nan", "-inf", "0", "-1"])
async def test_no_page_asks_for_more_than_that(redis_url: str, pace: str) -> None:
    async with served(redis_url, keepalive_s=0.1) as desk:
        began_at = time.monotonic()
        async with following(desk, f"events&pace={pace}") as page:
            await wait_until(lambda: len(page.heard) > 1, "a sign of life")
            assert time.monotonic() - began_at > 0.9


async def test_a_page_hears_once_a_second_at_most_however_much_happens(redis_url: str) -> None:
    async with served(redis_url) as desk:
        began_at = time.monotonic()
        async with following(desk, "events") as page:
            while page.changes() < 4:
                await desk.send({})
            assert time.monotonic() - began_at > 2.8


async def test_what_redis_is_asked_does_not_grow_with_those_who_watch(redis_url: str) -> None:
    async with served(redis_url, keepalive_s=600) as desk, Redis.from_url(redis_url) as redis:

        async def asked_in_two_seconds(pages: int) -> int:
            async with contextlib.AsyncExitStack() as stack:
                for _ in range(pages):
                    await stack.enter_async_context(following(desk, "events"))
                before, until = await commands(redis), time.monotonic() + 2
                await wait_until(lambda: time.monotonic() > until, "two seconds")
                return await commands(redis) - before

        one, many = await asked_in_two_seconds(1), await asked_in_two_seconds(15)
        assert 0 < one < 200
        assert many < 4 * one  # a busy machine looks now more often, now less


async def test_a_quiet_page_has_signs_of_life_and_is_let_go_with_its_login(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(redis_url) as desk:
        async with following(desk, "events") as page:
            await wait_until(lambda: any(each.comment for each in page.heard), "a sign of life")
            assert page.heard[0].retry_ms == live.AGAIN_MS
            monkeypatch.setattr("bridge.verbs.logins.LOGIN_S", -1)
            await wait_until(lambda: page.is_over, "the end of the login")
            assert page.heard[-1].name == "end"
        for headers in ({}, {"cookie": "bridge-console=made-up"}, {"cookie": ""}):
            answer = await desk.browser.get("/console/live?of=events", headers=headers)
            assert answer.status_code == 401


async def test_a_process_that_drains_lets_its_pages_go_to_another(redis_url: str) -> None:
    async with served(redis_url) as desk, served(redis_url) as elsewhere:
        async with following(desk, "events") as page:
            desk.door.app.drain()
            await wait_until(lambda: page.is_over, "the end of the stream")
        elsewhere.browser.cookies = desk.browser.cookies
        async with following(elsewhere, "events") as page:
            await elsewhere.send({})
            await page.hears(2)


async def test_a_stream_ends_in_good_order_where_redis_is_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with contextlib.AsyncExitStack() as life:
        valkey = EmbeddedValkey(tmp_path / "valkey")
        ending = await life.enter_async_context(contextlib.AsyncExitStack())
        await ending.enter_async_context(valkey)
        desk = await life.enter_async_context(served(valkey.url))
        async with following(desk, "events") as page:
            await ending.aclose()
            life.enter_context(impatient(desk.door.runtime.steps))
            await wait_until(lambda: page.is_over, "the end of the stream")
        answer = await desk.browser.get("/console/live?of=events")
        assert answer.status_code == 503
    assert not [line for line in caplog.records if line.exc_info]


async def test_a_login_and_a_process_have_so_many_streams_and_no_more(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "STREAMS_OF_LOGIN_MAX", 2)
    monkeypatch.setattr(live, "STREAMS_MAX", 3)
    async with served(redis_url) as desk:
        async with following(desk, "events"), following(desk, "calls") as second:
            async with following(desk, "now") as third:
                assert (second.status, third.status) == (200, 503)
            await desk.log_in(VIEWER)
            async with following(desk, "now") as of_another, following(desk, "now") as beyond:
                assert (of_another.status, beyond.status) == (200, 503)
        await desk.log_in(OPERATOR)

        async def has_room() -> bool:
            async with following(desk, "now") as later:
                return later.status == 200

        await wait_until(has_room, "the ends of the others are seen")


async def test_what_nobody_can_watch_is_refused(redis_url: str) -> None:
    async with served(redis_url) as desk:
        for query in ("", "of=secrets", "of=now&pace=soon"):
            answer = await desk.browser.get(f"/console/live?{query}")
            assert answer.status_code == 400
        assert (await desk.browser.head("/console/live?of=now")).status_code == 405
        foreign = {"origin": "https://evil.example"}
        answer = await desk.browser.get("/console/live?of=now", headers=foreign)
        assert answer.status_code == 403

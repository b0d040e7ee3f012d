"""Wake-ups: heard in every process, by whoever waits for that very thing."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from bridge.local.valkey import EmbeddedValkey
from bridge.models import CallStatus, ReplyStatus, new_lease_token
from bridge.store import signals as signals_module
from bridge.store.keys import WAKE_CHANNEL
from bridge.store.signals import Signals
from tests.store.call_records import again, run_sent
from tests.store.records import ADDRESS, SERVER, Desk, token_of, wish
from tests.waiting import wait_until

SOON_S = 10.0
NEVER_S = 0.1


@asynccontextmanager
async def hearing(url: str) -> AsyncIterator[Signals]:
    """Hear as a process does."""
    async with Redis.from_url(url, retry=Retry(NoBackoff(), 0), socket_timeout=None) as ear:
        signals = Signals(ear)
        async with signals.running():
            yield signals


@pytest.fixture
async def signals(redis_url: str) -> AsyncIterator[Signals]:
    async with hearing(redis_url) as running:
        yield running


async def test_a_ring_in_one_process_is_heard_in_another(signals: Signals, redis_url: str) -> None:
    async with hearing(redis_url) as other:
        with signals.subscribed("it") as woken, other.subscribed("it") as far_bell:
            await signals.notify("it")
            assert await woken.wait(SOON_S)
            assert await far_bell.wait(SOON_S)


async def test_a_bell_rings_for_its_own_names_only(signals: Signals) -> None:
    with signals.subscribed("a", "b") as woken, signals.subscribed("c") as other:
        await signals.notify("c")
        assert await other.wait(SOON_S)
        assert not await woken.wait(NEVER_S)
        await signals.notify("b")
        assert await woken.wait(SOON_S)


async def test_a_ring_before_the_wait_is_not_missed_and_counts_once(signals: Signals) -> None:
    with signals.subscribed("it") as woken, signals.subscribed("it") as witness:
        await signals.notify("it")
        assert await witness.wait(SOON_S)
        assert await woken.wait(SOON_S)
        assert not await woken.wait(NEVER_S)


async def test_nothing_is_kept_of_bells_that_were_taken_down(signals: Signals) -> None:
    with signals.subscribed("it"), signals.subscribed("it", "other"):
        assert set(signals._waiting) == {"it", "other"}
    assert not signals._waiting


async def test_who_reconnects_rings_everyone(signals: Signals, redis: Redis) -> None:
    with signals.subscribed("a") as woken, signals.subscribed("b") as other:
        assert await redis.client_kill_filter(_type="pubsub") == 1
        assert await woken.wait(SOON_S)
        assert await other.wait(SOON_S)
        await signals.notify("a")
        assert await woken.wait(SOON_S)


async def test_a_channel_that_answers_no_ping_is_opened_again_and_rings_everyone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(signals_module, "SILENCE_S", 0.5)
    async with EmbeddedValkey(tmp_path) as server, hearing(server.url) as signals:
        async with Redis.from_url(server.url) as client:
            pid = (await client.info("server"))["process_id"]
        with signals.subscribed("it") as woken:
            os.kill(pid, signal.SIGSTOP)
            try:
                await wait_until(lambda: "signals.lost" in caplog.messages, "it is found silent")
                assert not await woken.wait(0)
            finally:
                os.kill(pid, signal.SIGCONT)
            assert await woken.wait(SOON_S)


async def test_a_channel_that_answers_its_pings_is_kept(
    redis_url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals_module, "SILENCE_S", 0.5)
    async with hearing(redis_url) as signals:
        with signals.subscribed("it") as woken:

            async def has_pinged() -> bool:
                stats = await redis.info("commandstats")
                pings: int = stats.get("cmdstat_ping", {"calls": 0})["calls"]
                return pings >= 3

            before = await redis.client_list(_type="pubsub")
            await redis.config_resetstat()
            await wait_until(has_pinged, "the channel was pinged some times")
            after = await redis.client_list(_type="pubsub")
            assert [each["id"] for each in after] == [each["id"] for each in before]
            assert not await woken.wait(0)
            await signals.notify("it")
            assert await woken.wait(SOON_S)


async def test_a_redis_that_is_away_at_first_is_waited_for(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path)
    async with hearing(server.url) as signals:
        await signals.notify("lost")
        with signals.subscribed("it") as woken:
            async with server:
                assert await woken.wait(SOON_S)
                await signals.notify("it")
                assert await woken.wait(SOON_S)


@pytest.fixture
async def heard(redis_url: str) -> AsyncIterator[list[str]]:
    """Collect every name that is rung."""
    names: list[str] = []

    async def collect(channel: Redis) -> None:
        async with channel.pubsub() as ear:
            await ear.subscribe(WAKE_CHANNEL)
            async for message in ear.listen():
                is_first = message["type"] == "subscribe"
                names.append("ready" if is_first else message["data"].decode())

    async with Redis.from_url(redis_url, socket_timeout=None) as client:
        collecting = asyncio.create_task(collect(client))
        await wait_until(lambda: names, "the ear is open")
        names.clear()
        yield names
        collecting.cancel()
        await asyncio.gather(collecting, return_exceptions=True)


async def test_each_change_of_an_event_is_rung(web: Desk, heard: list[str]) -> None:
    async def rings(*names: str) -> None:
        await wait_until(lambda: set(names) <= set(heard), f"rung: {names}")
        heard.clear()

    event = await web.accept(reply_url=ADDRESS, lease_s=0)
    await rings(f"events:{SERVER}")
    await web.take()
    await web.events.sweep()
    await rings(f"events:{SERVER}", f"event:{event.event_id}")
    claim = await web.take()
    assert claim
    await web.claims.abandon(claim.event_id, claim.token)
    await rings(f"events:{SERVER}")
    claim = await web.take()
    assert claim
    await web.events.release(claim, status="queued")
    await rings(f"events:{SERVER}", f"event:{event.event_id}")
    claim = await web.take()
    assert claim
    await web.events.answer(claim, b"1")
    await rings(f"event:{event.event_id}")
    sending = await web.replies.lease(event.event_id, new_lease_token())
    assert sending
    await web.replies.settle(sending, ReplyStatus.DELIVERED)
    await rings(f"event:{event.event_id}")


async def test_each_change_of_a_call_is_rung(web: Desk, heard: list[str]) -> None:
    running = await run_sent(web, idempotent=True)
    name = f"call:{running.call.call_id}"

    async def rings() -> None:
        await wait_until(lambda: name in heard, f"rung: {name}")
        heard.clear()

    await web.runs.park(running, delay_s=0, ran=True, failure="")
    await rings()
    await web.runs.finish(await again(web, running), CallStatus.SUCCEEDED)
    await rings()
    cancelled = await run_sent(web)
    name = f"call:{cancelled.call.call_id}"
    await web.calls.cancel(cancelled.call.call_id, "")
    await rings()


async def test_an_event_wakes_the_taker_it_is_for_and_no_other(web: Desk, heard: list[str]) -> None:
    for waiter in ("first", "second", "third"):
        await web.take(wish(waiter=waiter))

    await web.accept()
    await web.redis.publish(WAKE_CHANNEL, "last")

    await wait_until(lambda: "last" in heard, "everything is heard")
    assert [name for name in heard if name.startswith("taker:")] == ["taker:first"]


async def test_who_leaves_the_line_disturbs_nobody(web: Desk, heard: list[str]) -> None:
    await web.take(wish(waiter="first"))
    await web.take(wish(waiter="second"))
    await web.claims.leave_line(wish(waiter="first"), token_of("first"))
    await web.redis.publish(WAKE_CHANNEL, "last")

    await wait_until(lambda: heard == ["last"], "nothing but the last word is heard")

"""Taking: whoever waits is served when it is its turn, and whoever left takes nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from bridge.configuration.settings import Settings
from bridge.errors import StoreUnavailableError
from bridge.models import EventId, EventStatus, LeaseToken, new_lease_token
from bridge.runtime import Runtime, open_runtime
from bridge.store.claims import ClaimRequest, ClaimStore
from bridge.store.signals import Signals
from bridge.verbs import takers
from bridge.verbs.takers import Presence, Taken
from tests.verbs.desk import ALICE, DESK, send, take
from tests.waiting import commands, takers_in_line, wait_until

LONG_S = 60.0


def in_line(runtime: Runtime, count: int) -> Callable[[], Awaitable[bool]]:
    """Report whether so many stand in line."""

    async def is_so() -> bool:
        return await takers_in_line(runtime.redis) == count

    return is_so


async def status(runtime: Runtime, event_id: EventId) -> EventStatus:
    return (await runtime.mcp.events.find("desk", event_id)).status


@pytest.fixture
def no_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave it to the wakes to tell takers, for a look would find out too."""
    monkeypatch.setattr("bridge.verbs.takers.LOOK_AGAIN_S", 600)


@pytest.mark.usefixtures("no_looks")
async def test_a_taker_waits_for_an_event_that_another_process_receives(
    web: Runtime, worker: Runtime
) -> None:
    taking = asyncio.create_task(take(web, LONG_S))
    await wait_until(in_line(web, 1), "the taker stands in line")

    event_id = await send(worker)

    async with asyncio.timeout(20):
        taken = await taking
    assert taken
    assert taken.event.event_id == event_id
    assert taken.payload == {}


async def test_takers_in_two_processes_are_served_in_the_order_they_came(
    web: Runtime, worker: Runtime
) -> None:
    taking = []
    for number, each in enumerate((web, worker, web), 1):
        taking.append(asyncio.create_task(take(each, LONG_S)))
        await wait_until(in_line(web, number), "the next taker stands in line")

    sent = [await send(web) for _ in taking]

    taken = await asyncio.gather(*taking)
    assert [found.event.event_id for found in taken if found] == sent


async def test_a_taker_that_waits_for_one_hook_lets_others_pass(web: Runtime) -> None:
    picky = asyncio.create_task(take(web, LONG_S, "alarm"))
    await wait_until(in_line(web, 1), "the picky one stands in line")
    easy = asyncio.create_task(take(web, LONG_S))
    await wait_until(in_line(web, 2), "the other stands behind")

    letter = await send(web)
    found = await easy
    alarm = await send(web, "alarm")

    assert found
    assert found.event.event_id == letter
    waited = await picky
    assert waited
    assert waited.event.event_id == alarm


@pytest.mark.usefixtures("no_looks")
async def test_a_taker_is_served_as_soon_as_the_process_of_the_one_before_it_is_gone(
    web: Runtime, settings: Settings
) -> None:
    async with open_runtime(settings, {DESK.name: DESK}, "web", 5) as gone:
        wish = ClaimRequest(DESK.name, [("letter", 0)], [], "first", wait_s=LONG_S)
        await gone.stores.claims.take(wish, ALICE, new_lease_token())
        taking = asyncio.create_task(take(web, LONG_S))
        await wait_until(in_line(web, 2), "the taker stands in line")
        event_id = await send(web)
        assert not taking.done()

    async with asyncio.timeout(20):
        taken = await taking
    assert taken
    assert taken.event.event_id == event_id


async def test_a_taker_whose_wait_ends_gets_nothing_and_leaves_the_line(web: Runtime) -> None:
    assert await take(web, 0.05) is None
    assert await takers_in_line(web.redis) == 0
    assert await web.redis.keys("{bridge}:line:*") == []


async def test_a_taker_that_is_cancelled_leaves_the_line(web: Runtime) -> None:
    taking = asyncio.create_task(take(web, LONG_S))
    await wait_until(in_line(web, 1), "the taker stands in line")

    taking.cancel()

    await asyncio.gather(taking, return_exceptions=True)
    await wait_until(in_line(web, 0), "the line is empty")


async def test_a_taker_in_a_scope_that_is_cancelled_leaves_the_line(web: Runtime) -> None:
    """A scope of anyio cancels every await in it, that of the step which leaves the line too."""
    async with anyio.create_task_group() as group:
        group.start_soon(take, web, LONG_S)
        await wait_until(in_line(web, 1), "the taker stands in line")
        group.cancel_scope.cancel()

    await wait_until(in_line(web, 0), "the line is empty")


@pytest.mark.parametrize("yields", range(12))
async def test_a_taker_that_is_cancelled_keeps_no_event_whenever_it_happens(
    web: Runtime, worker: Runtime, yields: int
) -> None:
    event_id = await send(worker)
    taking = asyncio.create_task(take(web, LONG_S))
    for _ in range(yields):
        await asyncio.sleep(0)

    taking.cancel()
    (outcome,) = await asyncio.gather(taking, return_exceptions=True)

    if isinstance(outcome, BaseException):

        async def is_queued() -> bool:
            return await status(worker, event_id) is EventStatus.QUEUED

        await wait_until(is_queued, "the event is queued again")
        assert (await worker.mcp.events.find("desk", event_id)).attempt == 0


async def test_a_taker_that_is_not_there_takes_nothing_until_it_comes_back(web: Runtime) -> None:
    present = False

    async def is_there() -> bool:
        return present

    event_id = await send(web)
    assert await take(web, presence=Presence(is_there)) is None
    taking = asyncio.create_task(take(web, LONG_S, presence=Presence(is_there)))
    await asyncio.wait([taking], timeout=0.2)
    assert await status(web, event_id) is EventStatus.QUEUED

    present = True

    taken = await taking
    assert taken
    assert taken.event.event_id == event_id


async def test_an_event_given_back_goes_to_whoever_waits(web: Runtime, worker: Runtime) -> None:
    event_id = await send(web)
    first = await take(web)
    assert first
    waiting = asyncio.create_task(take(worker, LONG_S))
    await wait_until(in_line(web, 1), "the taker stands in line")

    await web.stores.claims.abandon(first.event.event_id, first.token)

    second = await waiting
    assert second
    assert (second.event.event_id, second.event.attempt) == (event_id, 1)


async def test_urgent_events_are_taken_first(web: Runtime) -> None:
    await send(web)
    alarm = await send(web, "alarm")

    taken = await take(web)

    assert taken
    assert taken.event.event_id == alarm


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have waiters looked after often."""
    monkeypatch.setattr(takers, "LOOK_AGAIN_S", 0.05)


@pytest.mark.usefixtures("often")
async def test_those_who_wait_idly_cost_redis_the_same_however_many_they_are(
    web: Runtime,
) -> None:
    async with many_waiting(web, 2):
        await commands_of_looks(web, 2)
        few = await commands_of_looks(web, 10)
    async with many_waiting(web, 300):
        await commands_of_looks(web, 2)
        many = await commands_of_looks(web, 10)

    assert many < 1.5 * few


@pytest.mark.usefixtures("often")
async def test_takers_that_redis_has_forgotten_stand_in_line_again_and_are_served(
    web: Runtime,
) -> None:
    async with many_waiting(web, 3) as taking:
        await web.redis.flushall()
        await wait_until(in_line(web, 3), "all stand in line again")
        sent = {await send(web) for _ in taking}
        taken = await asyncio.gather(*taking)
    assert {found.event.event_id for found in taken if found} == sent


@pytest.mark.usefixtures("often")
async def test_a_taker_that_was_not_woken_for_its_event_finds_it_all_the_same(
    web: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Signals, "notify_here", lambda _self, _name: None)
    async with many_waiting(web, 2) as taking:
        await send(web)
        await asyncio.wait(taking, return_when=asyncio.FIRST_COMPLETED)
    assert await takers_in_line(web.redis) == 0


@pytest.mark.usefixtures("often")
async def test_a_taker_that_left_while_redis_was_away_leaves_the_line_later(
    web: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaving = web.stores.claims.leave_line

    async def fail(*_: object) -> None:
        monkeypatch.setattr(ClaimStore, "leave_line", leaving_again)
        raise StoreUnavailableError("away")

    async def leaving_again(_self: ClaimStore, wish: ClaimRequest, token: LeaseToken) -> None:
        await leaving(wish, token)

    monkeypatch.setattr(ClaimStore, "leave_line", fail)
    async with many_waiting(web, 1) as taking:
        taking[0].cancel()
    await wait_until(in_line(web, 0), "the line is empty")


async def test_a_taker_whose_client_vanished_is_passed_over_and_another_served(
    web: Runtime,
) -> None:
    present = True

    async def is_there() -> bool:
        return present

    gone = asyncio.create_task(take(web, LONG_S, presence=Presence(is_there)))
    await wait_until(in_line(web, 1), "the first stands in line")
    async with many_waiting(web, 1, before=1) as (other,):
        present = False
        event_id = await send(web)
        taken = await other
    gone.cancel()

    assert taken
    assert (taken.event.event_id, taken.event.attempt) == (event_id, 1)


async def test_a_taker_whose_client_may_have_gone_or_come_is_asked_for_when_redis_says_so(
    web: Runtime,
) -> None:
    client = asyncio.Event()
    client.set()

    async def is_there() -> bool:
        return client.is_set()

    taking = asyncio.create_task(take(web, LONG_S, presence=Presence(is_there, "reader:1")))
    await wait_until(in_line(web, 1), "the taker stands in line")
    for change, count in ((client.clear, 0), (client.set, 1)):
        change()
        await web.workers.signals.notify("reader:1")
        await wait_until(in_line(web, count), "the taker has left, or come back")

    event_id = await send(web)
    taken = await taking
    assert taken
    assert taken.event.event_id == event_id


@asynccontextmanager
async def many_waiting(
    runtime: Runtime, count: int, before: int = 0
) -> AsyncIterator[list[asyncio.Task[Taken | None]]]:
    """Have so many takers wait behind those before, until the block ends."""
    taking = [asyncio.create_task(take(runtime, LONG_S)) for _ in range(count)]
    await wait_until(in_line(runtime, before + count), "all stand in line")
    try:
        yield taking
    finally:
        for each in taking:
            each.cancel()
        await asyncio.gather(*taking, return_exceptions=True)


async def commands_of_looks(runtime: Runtime, looks: int) -> int:
    """Count what Redis does until it was looked after all waiters so often."""

    async def done() -> int:
        stats = await runtime.redis.info("commandstats")
        return int(stats.get("cmdstat_hlen", {"calls": 0})["calls"])

    async def is_over() -> bool:
        return await done() >= ends_at

    before, ends_at = await commands(runtime.redis), await done() + looks
    await wait_until(is_over, "the looks are done", 30)
    return await commands(runtime.redis) - before

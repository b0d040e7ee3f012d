"""Taking: whoever waits is served when it is its turn, and whoever left takes nothing."""

import asyncio
from collections.abc import Awaitable, Callable

import anyio
import pytest

from bridge.models import EventId, EventStatus, new_lease_token
from bridge.runtime import Runtime, open_runtime
from bridge.settings import Settings
from bridge.store.events import Wish
from tests.verbs.desk import ALICE, DESK, send, take
from tests.waiting import wait_until

LONG_S = 60.0


def in_line(runtime: Runtime, count: int) -> Callable[[], Awaitable[bool]]:
    """Tell whether so many stand in line."""

    async def is_so() -> bool:
        return bool(await runtime.redis.zcard("{bridge}:waiters:desk") == count)

    return is_so


async def status(runtime: Runtime, event_id: EventId) -> EventStatus:
    return (await runtime.events.find("desk", event_id)).status


async def test_a_taker_waits_for_an_event_that_another_process_receives(
    web: Runtime, worker: Runtime
) -> None:
    taking = asyncio.create_task(take(web, LONG_S))
    await wait_until(in_line(web, 1), "the taker stands in line")

    event_id = await send(worker)

    async with asyncio.timeout(2):
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


async def test_a_taker_is_served_as_soon_as_the_process_of_the_one_before_it_is_gone(
    web: Runtime, settings: Settings
) -> None:
    async with open_runtime(settings, {DESK.name: DESK}, "web", 5) as gone:
        wish = Wish(DESK.name, [("letter", 0)], [], "first", waits=True)
        await gone.event_store.take(wish, ALICE, new_lease_token())
        taking = asyncio.create_task(take(web, LONG_S))
        await wait_until(in_line(web, 2), "the taker stands in line")
        event_id = await send(web)
        assert await status(web, event_id) is EventStatus.QUEUED

    async with asyncio.timeout(3):
        taken = await taking
    assert taken
    assert taken.event.event_id == event_id


async def test_a_taker_whose_wait_ends_gets_nothing_and_leaves_the_line(web: Runtime) -> None:
    assert await take(web, 0.05) is None
    assert await web.redis.exists("{bridge}:waiters:desk", "{bridge}:looks:desk") == 0


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
        assert (await worker.events.find("desk", event_id)).attempt == 0


async def test_a_taker_that_is_not_there_takes_nothing_until_it_comes_back(web: Runtime) -> None:
    present = False

    async def is_there() -> bool:
        return present

    event_id = await send(web)
    assert await take(web, is_there=is_there) is None
    taking = asyncio.create_task(take(web, LONG_S, is_there=is_there))
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

    await web.event_store.abandon(first.event.event_id, first.token)

    second = await waiting
    assert second
    assert (second.event.event_id, second.event.attempt) == (event_id, 1)


async def test_urgent_events_are_taken_first(web: Runtime) -> None:
    await send(web)
    alarm = await send(web, "alarm")

    taken = await take(web)

    assert taken
    assert taken.event.event_id == alarm

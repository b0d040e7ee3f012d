"""Requests under way: beside each other, each id once, and no more than there is room for."""

import asyncio

import pytest

from bridge.mcp.wires.stdio import RequestsInFlight


class Work:
    """Work that goes on until it is told to end."""

    def __init__(self) -> None:
        self.end = asyncio.Event()
        self.began = asyncio.Event()

    async def __call__(self) -> None:
        self.began.set()
        await self.end.wait()


async def test_an_id_that_is_under_way_is_not_served_again_until_it_is_answered() -> None:
    requests, first, second = RequestsInFlight(most=2), Work(), Work()
    serving = await requests.start(1, first)
    assert serving
    assert await requests.start(1, second) is None
    first.end.set()
    await serving
    assert await requests.start(1, second)


async def test_without_room_the_next_waits_for_an_answer() -> None:
    requests, first, second = RequestsInFlight(most=1), Work(), Work()
    serving = await requests.start(1, first)
    assert serving
    starting = asyncio.create_task(requests.start(2, second))
    await first.began.wait()
    assert not starting.done()
    first.end.set()
    assert await starting
    assert serving.done()


@pytest.mark.parametrize("unknown", [2, None, ["1"]])
async def test_only_what_is_under_way_can_be_cancelled(unknown: object) -> None:
    requests, work = RequestsInFlight(most=1), Work()
    serving = await requests.start(1, work)
    assert serving
    requests.cancel(unknown)
    await work.began.wait()
    requests.cancel(1)
    await asyncio.wait((serving,))
    assert serving.cancelled()


async def test_the_end_waits_for_answers_but_not_for_ever() -> None:
    requests, soon, never = RequestsInFlight(most=2), Work(), Work()
    answered = await requests.start("soon", soon)
    await requests.start("never", never)
    assert answered
    soon.end.set()
    await requests.end(within_s=0.05)
    assert answered.done()
    assert [task.done() for task in requests.tasks] == [False]
    requests.cancel("never")

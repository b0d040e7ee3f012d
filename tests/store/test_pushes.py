"""Pushes: who is told of which event, and when again."""

from dataclasses import dataclass, field

import pytest

from bridge.models import EventId, new_lease_token
from bridge.store.event_feed import PushStore, PushTimes
from bridge.store.keys import PREFIX
from tests.store.records import HOOK, SERVER, Desk
from tests.waiting import wait_until

MOST = 3
LONG = PushTimes(600, 600, 600)
SHORT = PushTimes(0.1, 0.2, 0.1)
PROCESSES = f"{PREFIX}processes"
FAR_MS = 1e15
"""In thousands of years."""


@dataclass
class Telling:
    """One who tells a session of events, at the desk of its process."""

    desk: Desk
    watcher: str = ""
    pushes: PushStore = field(init=False)

    def __post_init__(self) -> None:
        self.pushes = PushStore(self.desk.steps, self.desk.process)
        self.watcher = self.watcher or self.pushes.new_watcher()

    async def told(
        self, *, wish: str = "", times: PushTimes = LONG, most: int = MOST
    ) -> tuple[list[EventId], float | None]:
        """Ask what the session is to be told now."""
        asked = wish or new_lease_token()
        events, next_s = await self.pushes.due(SERVER, [HOOK], self.watcher, asked, most, times)
        return [event.event_id for event in events], next_s

    async def leave(self) -> None:
        """Tell nothing more."""
        await self.pushes.leave(SERVER, [HOOK], self.watcher)


async def told(
    desk: Desk, *, wish: str = "", times: PushTimes = LONG, most: int = MOST
) -> tuple[list[EventId], float | None]:
    """Ask what the one session of a desk is to be told now."""
    return await Telling(desk, f"{desk.process}/its").told(wish=wish, times=times, most=most)


@pytest.fixture(autouse=True)
async def living(web: Desk, worker: Desk) -> None:
    """Have both processes live for as long as any test takes."""
    await web.redis.zadd(PROCESSES, {web.process: FAR_MS, worker.process: FAR_MS})


async def test_each_event_is_told_to_one_session(web: Desk, worker: Desk) -> None:
    assert await told(web) == ([], None)
    event = await web.accept()
    assert await told(web) == ([event.event_id], 600)
    assert (await told(worker))[0] == []


async def test_the_same_wish_again_is_told_the_same(web: Desk) -> None:
    event = await web.accept()
    before, now = await told(web, wish="t"), await told(web, wish="t")
    assert before[0] == now[0] == [event.event_id]
    assert (await told(web))[0] == []


async def test_an_event_is_told_again_after_growing_pauses(web: Desk, worker: Desk) -> None:
    event = await web.accept()
    pauses = []
    for session in (web, worker, web, worker):

        async def is_told(session: Desk = session) -> bool:
            found, next_s = await told(session, times=SHORT)
            pauses.extend([next_s] if found else [])
            return found == [event.event_id]

        await wait_until(is_told, "the event is told again")
    assert pauses == [0.1, 0.2, 0.2, 0.2]


async def test_what_was_taken_is_not_told_and_begins_anew_when_it_comes_back(web: Desk) -> None:
    event = await web.accept()
    await told(web)
    held = await web.take()
    assert held
    assert await told(web) == ([], None)
    await web.events.release(held, status="queued")
    assert await told(web) == ([event.event_id], 600)


async def test_the_first_few_are_told_and_the_next_when_one_of_them_is_taken(web: Desk) -> None:
    events = [(await web.accept()).event_id for _ in range(MOST + 1)]
    assert (await told(web))[0] == events[:MOST]
    assert (await told(web))[0] == []
    await web.take()
    assert (await told(web))[0] == events[MOST:]


async def test_of_several_sessions_the_one_that_was_not_told_for_longest_is_told(
    web: Desk, worker: Desk
) -> None:
    sessions = [Telling(web), Telling(worker), Telling(web)]
    for each in sessions:
        assert await each.told() == ([], None)
    for turn in sessions * 2:
        event = await web.accept()
        others = [each for each in sessions if each is not turn]
        assert [(await each.told())[0] for each in others] == [[], []]
        assert (await turn.told())[0] == [event.event_id]
        await web.take()


async def test_an_event_is_not_left_for_long_to_one_whose_turn_it_is(
    web: Desk, worker: Desk
) -> None:
    silent, other = Telling(web), Telling(worker)
    await silent.told()
    await other.told()
    event = await web.accept()

    async def is_told() -> bool:
        found, next_s = await other.told(times=SHORT)
        assert next_s
        assert next_s <= 0.1
        return found == [event.event_id]

    await wait_until(is_told, "the other is told")


async def test_what_one_was_told_that_does_not_read_is_told_to_another_the_next_time(
    web: Desk, worker: Desk
) -> None:
    """A machine that sleeps keeps its connection, and its turn."""
    asleep, awake = Telling(web), Telling(worker)
    await asleep.told()
    await awake.told()
    first, second = (await web.accept()).event_id, (await web.accept()).event_id
    times = PushTimes(0.2, 0.2, 600)
    assert (await asleep.told(times=times))[0] == [first]
    found = (await awake.told(times=times))[0]
    assert found == [second]

    async def is_told() -> bool:
        assert (await asleep.told(times=times))[0] in ([], [second])
        found.extend((await awake.told(times=times))[0])
        return first in found

    await wait_until(is_told, "the other is told")


async def test_an_event_that_was_told_when_the_clock_was_ahead_is_told_again_now(
    web: Desk,
) -> None:
    event = await web.accept()
    assert (await told(web, times=PushTimes(10_000, 10_000, 0)))[0] == [event.event_id]
    assert (await told(web, times=LONG))[0] == [event.event_id]


async def test_what_a_session_was_told_that_has_left_is_told_to_another_at_once(
    web: Desk, worker: Desk
) -> None:
    left, other = Telling(web), Telling(worker)
    event = await web.accept()
    assert (await left.told())[0] == [event.event_id]
    assert (await other.told())[0] == []
    await left.leave()
    assert await other.told(times=SHORT) == ([event.event_id], 0.1)
    assert (await Telling(web).told())[0] == []


async def test_what_was_told_by_a_process_that_died_is_told_to_another(
    web: Desk, worker: Desk
) -> None:
    event = await web.accept()
    assert (await told(web))[0] == [event.event_id]
    await web.redis.zrem(PROCESSES, web.process)
    assert (await told(worker))[0] == [event.event_id]


async def test_one_whose_process_died_has_no_turn(web: Desk, worker: Desk) -> None:
    await told(web)
    await told(worker)
    await web.redis.zrem(PROCESSES, web.process)
    event = await web.accept()
    assert (await told(worker))[0] == [event.event_id]

"""Pushes: who is told of which event, and when again."""

from bridge.models import EventId, new_lease_token
from bridge.store.event_feed import PushStore
from tests.store.records import HOOK, SERVER, Desk
from tests.waiting import wait_until

MOST = 3
LONG_S = (600.0, 600.0)
SHORT_S = (0.1, 0.2)


async def told(
    desk: Desk, *, token: str = "", pauses_s: tuple[float, float] = LONG_S, most: int = MOST
) -> tuple[list[EventId], float | None]:
    """Ask what a session is to be told now."""
    asked = token or new_lease_token()
    events, next_s = await PushStore(desk.steps).due(SERVER, [HOOK], asked, most, pauses_s)
    return [event.event_id for event in events], next_s


async def test_each_event_is_told_to_one_session(web: Desk, worker: Desk) -> None:
    assert await told(web) == ([], None)
    event = await web.accept()
    assert await told(web) == ([event.event_id], 600)
    assert (await told(worker))[0] == []


async def test_the_same_wish_again_is_told_the_same(web: Desk) -> None:
    event = await web.accept()
    before, now = await told(web, token="t"), await told(web, token="t")
    assert before[0] == now[0] == [event.event_id]
    assert (await told(web))[0] == []


async def test_an_event_is_told_again_after_growing_pauses(web: Desk, worker: Desk) -> None:
    event = await web.accept()
    pauses = []
    for session in (web, worker, web, worker):

        async def is_told(session: Desk = session) -> bool:
            found, next_s = await told(session, pauses_s=SHORT_S)
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

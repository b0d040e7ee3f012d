"""Events in the order they came: read on from any place, none missed and none twice."""

import pytest

from bridge.models import EventStatus
from bridge.store.event_feed import ArrivalStore
from tests.store.records import HOOK, SERVER, Desk

KEPT_S = 3600.0


@pytest.fixture
def arrivals(web: Desk) -> ArrivalStore:
    return ArrivalStore(web.steps)


async def here(arrivals: ArrivalStore) -> str:
    """Return the place behind all that has come."""
    return (await arrivals.after(SERVER, HOOK, None, 10, KEPT_S)).place


async def test_what_comes_is_behind_the_place_where_a_reader_began(
    web: Desk, arrivals: ArrivalStore
) -> None:
    await web.accept()
    place = await here(arrivals)
    sent = [await web.accept() for _ in range(3)]
    found = await arrivals.after(SERVER, HOOK, place, 10, KEPT_S)
    assert [event.event_id for event in found.events] == [event.event_id for event in sent]
    assert (found.has_more, found.is_cut, found.start) == (False, False, place)
    assert (await arrivals.after(SERVER, HOOK, found.place, 10, KEPT_S)).events == []


async def test_pages_meet_whatever_becomes_of_the_events_meanwhile(
    web: Desk, arrivals: ArrivalStore
) -> None:
    place = await here(arrivals)
    sent = [(await web.accept()).event_id for _ in range(5)]
    seen, has_more = [], True
    while has_more:
        page = await arrivals.after(SERVER, HOOK, place, 2, KEPT_S)
        seen += [event.event_id for event in page.events]
        place, has_more = page.place, page.has_more
        if held := await web.take():
            await web.events.answer(held, b"1")
    assert seen == sent


async def test_each_status_is_among_what_came(web: Desk, arrivals: ArrivalStore) -> None:
    place = await here(arrivals)
    for status in ("queued", "delayed", "dead"):
        held = await web.taken()
        await web.events.release(held, status=status, delay_s=60)
    found = await arrivals.after(SERVER, HOOK, place, 10, KEPT_S)
    assert len(found.events) == 3
    assert {event.status for event in found.events} >= {EventStatus.DEAD}


async def test_a_place_grows_no_older_while_nothing_comes(
    web: Desk, arrivals: ArrivalStore
) -> None:
    await web.redis.set("{bridge}:order", "1000")
    place = await here(arrivals)
    sent = await web.accept()
    found = await arrivals.after(SERVER, HOOK, place, 10, 60)
    assert not found.is_cut
    assert [event.event_id for event in found.events] == [sent.event_id]


async def test_a_place_that_is_too_old_is_moved_on(web: Desk, arrivals: ArrivalStore) -> None:
    await web.accept()
    found = await arrivals.after(SERVER, HOOK, "1000", 10, 0)
    assert found.is_cut
    assert found.events == []
    assert int(found.start) > 1000
    assert int(found.place) >= int(found.start)

"""Coalescing: requests of one key become one event while nobody has seen it."""

from typing import Any

import pytest
from redis.asyncio import Redis

from bridge.models import Event, EventId
from tests.store.records import Desk, new_event

MINUTE = {"coalesce": "ticket-7", "coalesce_for_s": 60}


async def accept(desk: Desk, body: bytes, **changes: Any) -> tuple[str, Event]:
    outcome, event = await desk.events.accept(new_event(body, **(MINUTE | changes)))
    assert event
    return outcome, event


async def body(desk: Desk, event_id: EventId) -> bytes:
    found = await desk.events.read_body(event_id)
    assert found
    return found[1].content


async def test_the_newest_payload_wins_at_the_first_ones_place(web: Desk) -> None:
    _, first = await accept(web, b"1")
    _, other = await accept(web, b"0", coalesce="ticket-8")

    outcome, merged = await accept(web, b"2", summary="two")

    assert (outcome, merged.event_id, merged.merged) == ("merged", first.event_id, 1)
    assert (merged.summary, await body(web, first.event_id)) == ("two", b"2")
    taken = [await web.take(), await web.take(), await web.take()]
    assert [held and held.event_id for held in taken] == [first.event_id, other.event_id, None]


async def test_a_repeated_merge_counts_once_even_when_the_event_is_taken_meanwhile(
    web: Desk,
) -> None:
    _, first = await accept(web, b"1")
    again = new_event(b"2", **MINUTE)
    await web.events.accept(again)
    await web.take()

    outcome, event = await web.events.accept(again)

    assert event
    assert (outcome, event.event_id, event.merged) == ("merged", first.event_id, 1)


async def test_a_merged_requests_key_answers_for_the_event_it_is_part_of(web: Desk) -> None:
    _, first = await accept(web, b"1", idempotency="one")
    await accept(web, b"2", idempotency="two", digest="other")

    for key, digest in (("one", "same"), ("two", "other")):
        outcome, event = await accept(web, b"3", idempotency=key, digest=digest)
        assert (outcome, event.event_id) == ("duplicate", first.event_id)
    assert (await web.events.accept(new_event(b"", idempotency="two", **MINUTE)))[0] == "conflict"
    assert await body(web, first.event_id) == b"2"


async def test_nothing_merges_into_what_somebody_has_seen(web: Desk) -> None:
    _, first = await accept(web, b"1")
    held = await web.take()
    assert held

    outcome, second = await accept(web, b"2")

    assert (outcome, await body(web, first.event_id)) == ("accepted", b"1")
    assert (await accept(web, b"3"))[1].event_id == second.event_id


async def test_nothing_merges_into_an_event_whose_old_lease_may_still_answer_it(
    web: Desk,
) -> None:
    _, first = await accept(web, b"1")
    held = await web.take()
    assert held
    await web.claims.abandon(held.event_id, held.token)

    outcome, _ = await accept(web, b"2")

    assert outcome == "accepted"
    assert await body(web, first.event_id) == b"1"


@pytest.mark.parametrize("status", ["queued", "delayed"])
async def test_an_event_that_was_given_back_takes_others_in_again(web: Desk, status: str) -> None:
    _, first = await accept(web, b"1")
    held = await web.take()
    assert held
    await web.events.release(held, status=status, delay_s=60)

    outcome, event = await accept(web, b"2")

    assert (outcome, event.event_id) == ("merged", first.event_id)


async def test_the_window_begins_with_the_first_and_no_other_moves_it(
    web: Desk, redis: Redis
) -> None:
    await accept(web, b"1")
    await redis.pexpire("{bridge}:coalesce:ticket-7", 1000)
    await accept(web, b"2")
    assert await redis.pttl("{bridge}:coalesce:ticket-7") <= 1000
    await redis.delete("{bridge}:coalesce:ticket-7")

    outcome, _ = await accept(web, b"3")

    assert outcome == "accepted"

"""Dead replies: counted for people, redriven by them, and with a history."""

import pytest

from bridge.models import EventId, LeaseToken, ReplyStatus, new_lease_token
from bridge.store.counters import Counters
from bridge.store.replies import HISTORY_MAX, ReplyLease
from tests.store.records import ADDRESS, HOSTILE, Desk


async def sent(web: Desk, **changes: object) -> ReplyLease:
    """Become the sender of a fresh reply."""
    claim = await web.taken(**{"reply_url": ADDRESS, **changes})
    await web.events.answer(claim, b"1")
    sending = await web.replies.lease(claim.event_id, new_lease_token())
    assert sending
    return sending


async def dead(web: Desk, failure: str = "401") -> EventId:
    """Have a reply die."""
    sending = await sent(web)
    assert await web.replies.settle(sending, ReplyStatus.DEAD, failure=failure)
    return sending.event_id


async def dead_count(web: Desk) -> int:
    """Count the dead replies as pages do."""
    return (await Counters(web.steps).read([])).dead_replies


async def test_a_redriven_reply_is_due_at_once_and_its_waits_start_anew(web: Desk) -> None:
    event_id = await dead(web)

    assert await web.replies.redrive(event_id) == "pending"

    assert await web.replies.sweep(10, 60) == [event_id]
    again = await web.replies.lease(event_id, new_lease_token())
    assert again
    assert (again.attempt, again.tries, again.url) == (2, 1, ADDRESS)
    assert (again.last_failure, again.age_s < 5) == ("401", True)
    assert await dead_count(web) == 0


async def test_redriving_again_changes_nothing(web: Desk) -> None:
    event_id = await dead(web)
    await web.replies.redrive(event_id)
    before = await web.everything()

    assert await web.replies.redrive(event_id) == "pending"
    assert await web.everything() == before


@pytest.mark.parametrize("status", [ReplyStatus.DELIVERED, ReplyStatus.PENDING])
async def test_only_a_dead_reply_is_redriven(web: Desk, status: ReplyStatus) -> None:
    sending = await sent(web)
    await web.replies.settle(sending, status, delay_s=600)
    before = await web.everything()

    assert await web.replies.redrive(sending.event_id) == status
    assert await web.everything() == before


async def test_a_reply_that_n8n_waits_for_no_more_stays_dead(web: Desk) -> None:
    sending = await sent(web, reply_deadline="2020-01-01T00:00:00+00:00")
    assert sending.n8n_waits_s < 0
    await web.replies.settle(sending, ReplyStatus.DEAD)
    before = await web.everything()

    assert await web.replies.redrive(sending.event_id) == "late"
    assert await web.everything() == before


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
async def test_what_nobody_gave_out_cannot_be_redriven(web: Desk, text: str) -> None:
    await dead(web)
    before = await web.everything()

    assert await web.replies.redrive(EventId(text)) == "unknown"
    assert await web.replies.attempts(EventId(text)) == []
    assert await web.everything() == before


async def test_a_dead_reply_that_is_gone_is_counted_no_more(web: Desk) -> None:
    event_id = await dead(web)
    assert await dead_count(web) == 1
    await web.redis.delete(f"{{bridge}}:reply:{event_id}")

    assert await dead_count(web) == 0
    assert await web.redis.exists("{bridge}:dead_replies") == 0


async def test_the_next_to_die_takes_away_what_is_gone(web: Desk) -> None:
    gone = await dead(web)
    await web.redis.delete(f"{{bridge}}:reply:{gone}")
    event_id = await dead(web)

    assert await web.redis.zrange("{bridge}:dead_replies", 0, -1) == [event_id.encode()]


async def test_every_attempt_is_on_record_with_its_outcome(web: Desk) -> None:
    sending = await sent(web)
    event_id = sending.event_id
    await web.replies.settle(sending, ReplyStatus.PENDING, failure="503")
    second = await web.replies.lease(event_id, new_lease_token())
    assert second
    await web.replies.settle(second, ReplyStatus.DELIVERED)

    attempts = await web.replies.attempts(event_id)

    assert [(each.attempt, each.status, each.failure) for each in attempts] == [
        (1, ReplyStatus.PENDING, "503"),
        (2, ReplyStatus.DELIVERED, None),
    ]
    seconds, _ = await web.redis.time()
    assert all(-1 <= seconds - each.at_ms / 1000 < 10 for each in attempts)


async def test_only_the_newest_attempts_are_kept(web: Desk) -> None:
    sending = await sent(web)
    for number in range(HISTORY_MAX + 2):
        await web.replies.settle(sending, ReplyStatus.PENDING, failure=f"{number}")
        again = await web.replies.lease(sending.event_id, LeaseToken(f"t{number}"))
        assert again
        sending = again

    attempts = await web.replies.attempts(sending.event_id)

    assert (len(attempts), attempts[0].attempt) == (HISTORY_MAX, 3)

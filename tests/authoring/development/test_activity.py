"""What `dev` shows of events and calls, of their records and timelines."""

from dataclasses import replace

import pytest

from bridge.authoring.development.activity import Activity, of_call, of_event
from bridge.authoring.development.lines import line_of
from bridge.models import (
    Call,
    CallId,
    CallStatus,
    Event,
    EventId,
    EventStatus,
    Moment,
    Principal,
    Reply,
    ReplyStatus,
    Timeline,
)

EVENT = Event(
    event_id=EventId("evt_1"),
    server="support",
    hook="ticket",
    status=EventStatus.QUEUED,
    attempt=0,
    received_at_ms=1000,
    order=1,
    media_type="application/json",
    summary="",
    reason=None,
    reply=Reply(ReplyStatus.NONE, None, 0, None),
)
CALL = Call(
    call_id=CallId("call_1"),
    principal=Principal("support", "alice"),
    workflow="find",
    status=CallStatus.QUEUED,
    attempt=0,
    order=2,
    created_at_ms=1000,
    updated_at_ms=1000,
    age_ms=0,
    arguments=b"{}",
    sent=False,
    failure=None,
    progress=None,
    message=None,
    is_bridge_fault=False,
    is_awaited=False,
    execution=None,
    trace="",
    result=None,
)
ACCEPTED = Moment(1000, "accepted", {})
TAKEN = Moment(2900, "taken", {"by": "alice", "attempt": 1})
ANSWERED = Moment(4200, "answered", {"by": "alice"})
TRIED = Moment(4300, "reply_tried", {"attempt": 1, "status": "pending", "reason": "away"})
DELIVERED = Moment(66_000, "reply_tried", {"attempt": 2, "status": "delivered"})


def event(
    *moments: Moment, status: EventStatus, attempt: int = 1, reply: str = "none", why: str = ""
) -> Activity:
    """Return what is shown of an event with this history."""
    made = replace(
        EVENT, status=status, attempt=attempt, reply=Reply(ReplyStatus(reply), None, 0, why or None)
    )
    return of_event(made, Timeline((ACCEPTED, *moments), 0))


@pytest.mark.parametrize(
    ("shown", "state", "who", "times", "is_open"),
    [
        (event(status=EventStatus.QUEUED, attempt=0), "queued", "", "received", True),
        (
            event(TAKEN, status=EventStatus.LEASED),
            *("leased", "alice", "received → leased 1.9 s", True),
        ),
        (event(TAKEN, status=EventStatus.QUEUED), "queued", "", "received", True),
        (
            event(TAKEN, ANSWERED, TRIED, status=EventStatus.ANSWERED, reply="pending"),
            *("answered, reply pending", "alice", "received → leased 1.9 s → answered 3.2 s", True),
        ),
        (
            event(
                TAKEN, ANSWERED, TRIED, DELIVERED, status=EventStatus.ANSWERED, reply="delivered"
            ),
            "answered, reply delivered",
            "alice",
            "received → leased 1.9 s → answered 3.2 s → delivered 1 min 5 s",
            False,
        ),
    ],
)
def test_an_event_is_shown_as_far_as_it_has_come(
    shown: Activity, state: str, who: str, times: str, is_open: bool
) -> None:
    assert (shown.state, shown.who, shown.times, shown.is_open) == (state, who, times, is_open)


def test_a_call_is_shown_as_far_as_it_has_come() -> None:
    sent, failed = Moment(1050, "sent", {}), Moment(1800, "failed", {"reason": "out of paper"})
    began = Timeline((Moment(1000, "created", {}), sent), 0)
    shown = of_call(replace(CALL, status=CallStatus.RUNNING, attempt=1), began)
    assert (shown.state, shown.who, shown.times) == ("running", "alice", "queued → sent 50 ms")
    ended = Timeline((*began.moments, failed), 0)
    shown = of_call(replace(CALL, status=CallStatus.FAILED, failure="out of paper"), ended)
    assert shown.times == "queued → sent 50 ms → failed 800 ms"
    assert (shown.is_open, shown.reason) == (False, "out of paper")


def test_a_plain_line_says_all_of_it_and_steers_no_terminal() -> None:
    pending = event(
        *(TAKEN, ANSWERED, TRIED),
        status=EventStatus.ANSWERED,
        attempt=2,
        reply="pending",
        why="a\x1b",
    )
    assert line_of(pending)[8:] == (
        "  event  support/ticket  evt_1  answered, reply pending  by alice  attempt 2  "
        "(received → leased 1.9 s → answered 3.2 s)  a\\x1b"
    )

"""The indexes of a restored record: where else it stands, besides under its own keys."""

import json
from collections.abc import Iterator
from typing import NamedTuple

from bridge.formats.backup_file import WHOLE_MAX, KeptRecord
from bridge.models import CallStatus, EventStatus

DELAYED = "delayed"
"""What is queued, and waits until it may be taken, has a list of its own."""

EVENT_STATUSES = {*EventStatus, DELAYED}
SLOT_LONGER_MS = 60_000
"""So long after its time a running call has surely ended."""

OPEN_EVENT = {EventStatus.QUEUED, DELAYED, EventStatus.LEASED}
SECOND_US = 1_000_000


class IndexEntry(NamedTuple):
    """A member of an index, by its moment or number; the index lives as long as its last."""

    key: str
    member: str
    score: float
    lives_until_ms: int = 0


def entries_of(record: KeptRecord, now_ms: int) -> Iterator[IndexEntry]:
    """Find out where a record stands. What is due at a moment that is over is due now.

    Raises:
        KeyError: it lacks a field that each of its kind has.
        ValueError: a field holds what none of its kind does.
    """
    match record.family:
        case "event":
            yield from _event(record, now_ms)
        case "call":
            yield from _call(record, now_ms)
        case "subscription":
            yield from _subscription(record, now_ms)


def _event(record: KeptRecord, now_ms: int) -> Iterator[IndexEntry]:
    event, event_id = _texts(record), _id(record)
    status, order = event["status"], _whole(event["order"])
    if status not in EVENT_STATUSES:
        raise ValueError(status)
    ends_at_ms = record.keys[0].expires_at_ms
    yield IndexEntry(f"inbox:{event['server']}:{event['hook']}:{status}", event_id, order)
    for name, index in (("lease_ends_at_ms", "event_leases"), ("expires_at_ms", "event_deadlines")):
        if name in record.moments:
            yield IndexEntry(index, event_id, record.moments[name])
    if event.get("call") and status in OPEN_EVENT:
        yield IndexEntry(f"questions:{event['call']}", event_id, order, ends_at_ms)
    replies = [key for key in record.keys if key.name.startswith("reply:")]
    reply = replies[0].fields.get(b"status") if replies else None
    if reply == b"pending":
        yield IndexEntry("due_replies", event_id, now_ms)
    elif reply == b"dead":
        yield IndexEntry("dead_replies", event_id, record.moments.get("died_at_ms", now_ms))


def _call(record: KeptRecord, now_ms: int) -> Iterator[IndexEntry]:
    call, call_id = _texts(record), _id(record)
    server, principal, ends_at_ms = call["server"], call["principal"], record.keys[0].expires_at_ms
    order, created_at_ms = _whole(call["order"]), _whole(call["created_at"])
    yield IndexEntry(f"calls:{server}:{principal}", call_id, order, ends_at_ms)
    spelled = json.dumps([server, principal], separators=(",", ":"), ensure_ascii=False)
    caller = spelled.replace("/", r"\/")  # as the steps write it, with cjson
    yield IndexEntry("callers", caller, created_at_ms)
    yield IndexEntry("fresh_callers", caller, (order // SECOND_US + 1) * SECOND_US)
    yield IndexEntry("call_servers", server, created_at_ms)
    status = CallStatus(call["status"])
    is_unapproved = "approval" in call and "approved_at" not in call and not status.is_final
    # One that a hook was asked about may be decided by now, and the question open all the same.
    if is_unapproved or "approval_event" in call:
        yield IndexEntry("approvals", call_id, now_ms)
    if not status.is_final and not is_unapproved:
        yield IndexEntry("due_calls", call_id, now_ms)
    if status is CallStatus.RUNNING:  # it awaits its callback, and has its slot meanwhile
        until_ms = now_ms + _whole(call.get("timeout_ms", "0")) + SLOT_LONGER_MS
        yield IndexEntry(f"slots:{server}:{call['workflow']}", call_id, until_ms)


def _subscription(record: KeptRecord, now_ms: int) -> Iterator[IndexEntry]:
    kept, subscription_id = _texts(record), _id(record)
    ends_at_ms = record.keys[0].expires_at_ms
    for index in (
        f"subscribed:{kept['server']}:{kept['principal']}",
        f"subscribers:{kept['server']}:{kept['hook']}",
    ):
        yield IndexEntry(index, subscription_id, ends_at_ms, ends_at_ms)
    listed_at = record.moments.get("listed_at", now_ms * 1000)
    yield IndexEntry("subscriptions", subscription_id, listed_at, ends_at_ms)
    yield IndexEntry("due_subscriptions", subscription_id, now_ms)


def _texts(record: KeptRecord) -> dict[str, str]:
    """Return the fields of the first key that are texts; payloads may be anything."""
    return {
        name.decode(): value.decode(errors="replace")
        for name, value in record.keys[0].fields.items()
    }


def _whole(text: str) -> int:
    number = int(text)
    if not 0 <= number < WHOLE_MAX:
        raise ValueError(text)
    return number


def _id(record: KeptRecord) -> str:
    return record.keys[0].name.rpartition(":")[2]

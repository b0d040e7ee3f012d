"""The indexes of a restored record: where else it stands, besides under its own keys."""

import json
from collections.abc import Iterator
from typing import NamedTuple

from bridge.formats.backup_file import KeptRecord

SECOND_US = 1_000_000


class IndexEntry(NamedTuple):
    """A member of an index, by its moment or number; the index lives as long as its last."""

    key: str
    member: str
    score: float
    lives_until_ms: int = 0


def entries_of(record: KeptRecord, now_ms: int) -> Iterator[IndexEntry]:
    """Find out where a record stands. What is due at a moment that is over is due now."""
    match record.family:
        case "event":
            yield from _event(record, now_ms)
        case "call":
            yield from _call(record, now_ms)
        case "subscription":
            yield from _subscription(record, now_ms)


def _event(record: KeptRecord, now_ms: int) -> Iterator[IndexEntry]:
    event, event_id = _texts(record), _id(record)
    status, order, ends_at_ms = event["status"], int(event["order"]), record.keys[0].expires_at_ms
    yield IndexEntry(f"inbox:{event['server']}:{event['hook']}:{status}", event_id, order)
    for name, index in (("lease_ends_at_ms", "event_leases"), ("expires_at_ms", "event_deadlines")):
        if name in record.moments:
            yield IndexEntry(index, event_id, record.moments[name])
    if event.get("call") and status in ("queued", "delayed"):
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
    yield IndexEntry(f"calls:{server}:{principal}", call_id, int(call["order"]), ends_at_ms)
    spelled = json.dumps([server, principal], separators=(",", ":"), ensure_ascii=False)
    caller = spelled.replace("/", r"\/")  # as the steps write it, with cjson
    yield IndexEntry("callers", caller, int(call["created_at"]))
    yield IndexEntry("fresh_callers", caller, (int(call["order"]) // SECOND_US + 1) * SECOND_US)
    yield IndexEntry("call_servers", server, int(call["created_at"]))
    if call["status"] in ("queued", "running"):
        yield IndexEntry("due_calls", call_id, now_ms)


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


def _id(record: KeptRecord) -> str:
    return record.keys[0].name.rpartition(":")[2]

"""Which keys a backup holds: each family is copied, made anew of the others, or left.

Copied are the records, and what is true of itself. An index tears where it is read at another
moment than its records, so each is made anew of them. Left is what is true of living processes,
of connections, or of the last seconds only.
"""

from math import isfinite

from bridge.formats.backup_file import KeptKey, KeptRecord
from bridge.store.keys import KEYS, PREFIX, Key

RECORDS = {
    "event": ("reply", "attempts", "file"),
    "call": ("result", "result_file"),
    "subscription": (),
}
"""Records that stand in indexes too, with the other keys of each: all is read in one step."""

ALONE = "alone"
"""How the other records are read: each is one key, and stands in no index."""

BY_THEMSELVES = frozenset(
    {
        "counted",
        "counters",
        "minute",
        "paused",
        "idempotency",
        "attach",
        "proved",
        "tokens",
        "oauth_client",
        "oauth_key",
        "oauth_answered",
        "ended_login",
        "oauth_code",
        "oauth_grant",
        "oauth_token",
        "alerts",
        "alert_outbox",
        "alert_receiver",
    }
)
"""The families of those."""

MADE_ANEW = {
    "order": "the highest of the backup's and of the store's: it never runs backwards",
    "identity": "the backup says whose it is",
    "layout": "the backup says how it is laid out",
    "inbox": "of its events",
    "event_leases": "of its events",
    "event_deadlines": "of its events",
    "dead_replies": "of its replies",
    "due_replies": "of its pending replies: they are due at once",
    "questions": "of the open events that were sent in the middle of a call",
    "due_calls": "of its open calls: they are due at once",
    "slots": "of its calls that await a callback: no other runs on",
    "approvals": "of its calls that wait for that, or of which a hook was asked",
    "calls": "of its calls",
    "callers": "of its calls",
    "fresh_callers": "of its calls, none of which is gathered yet",
    "call_servers": "of its calls",
    "calls_of": "by the sweeper, of its calls",
    "gathered": "by the sweeper",
    "subscriptions": "of its subscriptions",
    "subscribers": "of its subscriptions",
    "subscribed": "of its subscriptions",
    "due_subscriptions": "of its subscriptions: they are due at once",
}

PROCESSES = "it is of processes that live no more"
CLIENTS = "clients open a new session where theirs is unknown"
MOMENT = "it is true for seconds"
BULKS = "what was counted for an act on many records may be otherwise now"
LEFT = {
    "processes": PROCESSES,
    "held": PROCESSES,
    "sweeper": PROCESSES,
    "places": PROCESSES,
    "placed": PROCESSES,
    "placed_of": PROCESSES,
    "placed_by": PROCESSES,
    "placeless": PROCESSES,
    "placeless_servers": PROCESSES,
    "turns": "queued calls stand in line again when they are due",
    "share_held": PROCESSES,
    "share_sends": MOMENT,
    "share_line": "as those in line for a turn",
    "line": PROCESSES,
    "waiters": PROCESSES,
    "takers": PROCESSES,
    "named": PROCESSES,
    "taken": MOMENT,
    "arrivals": MOMENT,
    "coalesce": MOMENT,
    "merged": MOMENT,
    "watchers": MOMENT,
    "proofs": MOMENT,
    "sends": MOMENT,
    "breakers": "how n8n was then is found out anew",
    "fair_turns": "nobody waits for a place",
    "caller_keys": "a backup lets nobody speak for others: a new key is made",
    "findings": "it is looked for anew",
    "findings_turn": MOMENT,
    "report": PROCESSES,
    "alert_turn": PROCESSES,
    "heartbeat": MOMENT,
    "bulk": BULKS,
    "bulk_left": BULKS,
    "bulk_done": BULKS,
    "bulks": BULKS,
    "due_bulks": BULKS,
    "session": CLIENTS,
    "sessions": CLIENTS,
    "sessions_of": CLIENTS,
    "clients": CLIENTS,
    "unproven": CLIENTS,
    "unaccepted": CLIENTS,
    "lists": CLIENTS,
    "owed": CLIENTS,
    "outbox": CLIENTS,
    "dropped": CLIENTS,
    "answer": CLIENTS,
}

_BY_SHAPE = {(key.pattern.split(":")[0], key.pattern.count(":")): key for key in KEYS}


_FIRST_PARTS = {key.pattern.split(":")[0] for key in KEYS} | {"restored"}
"""How keys of ours begin, and those that a restore that was killed has left."""


def unknown_part(key: str) -> str | None:
    """Return how a key begins that this version does not know; None for one of ours."""
    first = key.removeprefix(PREFIX).partition(":")[0]
    return None if first in _FIRST_PARTS else first


def family_of(name: str) -> Key | None:
    """Find the family of a key by its name behind the prefix; None for one that has none."""
    return _BY_SHAPE.get((name.partition(":")[0], name.count(":")))


def kind_of(key: str) -> str:
    """Return how the record is read that a key names; empty where it names none."""
    family = family_of(key.removeprefix(PREFIX))
    if family is None:
        return ""
    if family.name in RECORDS:
        return family.name
    return ALONE if family.name in BY_THEMSELVES else ""


def is_known(record: KeptRecord) -> bool:
    """Report whether a record is of a family that a backup copies, and holds keys of its own.

    Raises:
        ValueError: a score of it is no number.
    """
    first, *others = record.keys
    if record.family in BY_THEMSELVES:
        return not others and _is_of(first, (record.family,))
    record_id = first.name.partition(":")[2]
    return (
        record.family in RECORDS
        and _is_of(first, (record.family,))
        and all(
            _is_of(key, RECORDS[record.family]) and key.name.split(":")[1] == record_id
            for key in others
        )
    )


def _is_of(key: KeptKey, families: tuple[str, ...]) -> bool:
    """Report whether a key is of one of these families, and like all of them."""
    family = family_of(key.name)
    if family is None or family.name not in families:
        return False
    is_paired = key.kind not in ("hash", "zset") or len(key.value) % 2 == 0
    is_scored = key.kind != "zset" or all(isfinite(float(each)) for each in key.value[1::2])
    return key.kind == family.type and is_paired and is_scored

"""Backups that nobody's bridge wrote are refused before anything is restored of them."""

import io
from dataclasses import replace
from typing import Any

import pytest

from bridge.formats import backup_file
from bridge.formats.backup_file import BackupError, BackupWriter, Heading, KeptKey, KeptRecord
from bridge.verbs.backups import examine

HEADING = Heading("0.1.0", 1, "a store", 1_700_000_000_000, was_running=False)
FIELDS = {"server": "support", "hook": "ticket", "status": "queued", "order": "7"}
UNTIL_MS = 1_900_000_000_000


def key(name: str, kind: str, *value: str, expires_at_ms: int = UNTIL_MS) -> KeptKey:
    """Make a key."""
    return KeptKey(name, kind, expires_at_ms, [each.encode() for each in value])


def event(**changes: str | None) -> KeptKey:
    """Make an event's key; what changes to None is left out."""
    fields = {name: value for name, value in (FIELDS | changes).items() if value is not None}
    return key("event:evt_1", "hash", *(part for pair in fields.items() for part in pair))


def examined(*keys: KeptKey, family: str = "event", order: int = 7, **heading: Any) -> None:
    """Write a backup of one record, and examine it."""
    file = io.BytesIO()
    writer = BackupWriter(file, replace(HEADING, **heading))
    writer.add(KeptRecord(family, keys, {}))
    writer.end(order, was_running=False)
    file.seek(0)
    examine(file)


def test_what_a_bridge_writes_is_taken() -> None:
    examined(event(), key("reply:evt_1", "hash", "status", "none"))
    examined(event(status="delayed"), key("file:evt_1:0", "string", "a file"))
    examined(key("counters", "hash", "a", "1", expires_at_ms=0), family="counters")


@pytest.mark.parametrize(
    "keys",
    [
        (event(server=None),),
        (event(order="many"),),
        (event(order="9" * 400),),
        (event(status="x:y"),),
        (event(), key("reply:evt_2", "hash", "status", "none")),
        (event(), key("call:evt_1", "hash", "status", "queued")),
        (event(), key("layout", "string", "7", expires_at_ms=0)),
        (key("event:evt_1", "string", "text"),),
        (key("event:evt_1", "hash", "status"),),
        (key("../rq:queue", "hash", *FIELDS),),
    ],
)
def test_a_record_that_no_bridge_writes_is_named(keys: tuple[KeptKey, ...]) -> None:
    with pytest.raises(BackupError, match="is no record that this version knows"):
        examined(*keys)


@pytest.mark.parametrize("family", ["processes", "restored", "oauth_answered"])
def test_only_what_a_backup_copies_is_taken(family: str) -> None:
    with pytest.raises(BackupError, match="is no record that this version knows"):
        examined(key(family, "zset", "web-1", "nan"), family=family)


@pytest.mark.parametrize(
    ("forged", "why"),
    [
        ({"order": 1 << 60}, "damaged"),
        ({"order": -1}, "damaged"),
        ({"layout": -1}, "no backup"),
        ({"name": ""}, "no backup"),
        ({"name": {"a": 1}}, "no backup"),
    ],
)
def test_what_a_backup_says_of_the_whole_is_held_to_what_there_can_be(
    forged: dict[str, Any], why: str
) -> None:
    with pytest.raises(BackupError, match=why):
        examined(event(), **forged)


def test_a_key_that_expires_at_no_moment_or_is_of_no_kind_is_refused() -> None:
    for wrong in (replace(event(), expires_at_ms=1 << 70), replace(event(), kind="stream")):
        with pytest.raises(BackupError, match="damaged"):
            examined(wrong)


def test_no_backup_is_made_that_could_not_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_file, "LINE_BYTES_MAX", 1000)
    with pytest.raises(BackupError, match=r"evt_1.* is too long for a backup"):
        examined(event(body="x" * 1000))

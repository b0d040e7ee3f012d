"""The file of a backup: it comes back as it was written, or it is said what is wrong with it."""

import gzip
import io
import json
from random import Random

import pytest

from bridge.formats import backup_file
from bridge.formats.backup_file import (
    BackupError,
    BackupReader,
    BackupWriter,
    Heading,
    KeptKey,
    KeptRecord,
)

HEADING = Heading("0.1.0", 1, "a store", 1_700_000_000_000, was_running=True)
ANY_BYTES = bytes(range(256))


def records() -> list[KeptRecord]:
    """Make a record of every kind of value; an event's body may be any bytes."""
    event = KeptKey("event:evt_1", "hash", 17, [b"status", b"queued", b"body", ANY_BYTES])
    reply = KeptKey("reply:evt_1", "hash", 17, [b"status", b"none"])
    others = [
        KeptKey(f"{kind}:1", kind, 0, [ANY_BYTES, b"2"])
        for kind in ("string", "list", "set", "zset")
    ]
    return [
        KeptRecord("event", (event, reply), {"expires_at_ms": 1.7e12}),
        *(KeptRecord(key.kind, (key,), {}) for key in others),
    ]


def written(heading: Heading = HEADING) -> bytes:
    """Write a backup."""
    file = io.BytesIO()
    writer = BackupWriter(file, heading)
    for record in records():
        writer.add(record)
    writer.end(42, was_running=False)
    return file.getvalue()


def read(content: bytes) -> BackupReader:
    """Read a backup to its end."""
    reader = BackupReader(io.BytesIO(content), newest_layout=1)
    assert list(reader.records()) == records()
    return reader


def test_what_is_written_comes_back_as_it_was() -> None:
    reader = read(written())
    assert reader.heading == HEADING
    assert reader.ending is not None
    assert (reader.ending.order, reader.ending.was_running) == (42, False)
    assert reader.ending.counts["event"] == 1


def test_a_file_that_is_cut_short_anywhere_is_refused() -> None:
    content = written()
    for length in range(1, len(content), 7):
        with pytest.raises(BackupError, match=r"cut short|no backup|damaged"):
            read(content[:length])


def test_a_file_with_a_flipped_bit_anywhere_is_refused_unless_the_bit_says_nothing() -> None:
    content, chance, refused = written(), Random("bits"), 0
    for at in range(10, len(content)):  # what gzip says of itself in front is not used
        flipped = bytearray(content)
        flipped[at] ^= 1 << chance.randrange(8)
        try:
            read(bytes(flipped))
        except BackupError:
            refused += 1
    assert refused > len(content) - 20


def test_a_line_that_was_changed_and_packed_again_is_refused() -> None:
    text = gzip.decompress(written()).replace(b"queued", b"leased")
    with pytest.raises(BackupError, match="checksum"):
        list(BackupReader(io.BytesIO(gzip.compress(text)), newest_layout=1).records())


def test_what_is_no_backup_is_refused_as_such() -> None:
    for content in (b"a text", gzip.compress(b"a text\n"), gzip.compress(b'{"backup":"other"}\n')):
        with pytest.raises(BackupError, match="no backup of the bridge"):
            read(content)


def test_what_is_nested_too_deeply_to_be_read_is_no_backup() -> None:
    with pytest.raises(BackupError, match="no backup"):
        read(gzip.compress(b"[" * 200_000 + b"\n"))


def test_a_line_of_too_many_parts_is_refused_and_none_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = written()
    monkeypatch.setattr(backup_file, "BETWEEN_BYTES_MAX", 50)
    with pytest.raises(BackupError, match="no backup"):
        read(content)
    with pytest.raises(BackupError, match="is too long for a backup"):
        written()


def test_a_long_text_is_one_part() -> None:
    text = b'\\"' * 1_000_000
    long = [KeptRecord("string", (KeptKey("string:1", "string", 0, [text]),), {})]
    file = io.BytesIO()
    writer = BackupWriter(file, HEADING)
    writer.add(long[0])
    writer.end(42, was_running=False)
    file.seek(0)
    assert list(BackupReader(file, newest_layout=1).records()) == long


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(BackupError, match="cut short"):
        read(b"")


def test_a_file_of_a_later_version_names_the_version_that_made_it() -> None:
    later = Heading("7.0.0", 2, "a store", 1, was_running=False)
    with pytest.raises(BackupError, match=r"version 7\.0\.0 of the bridge"):
        read(written(later))
    heading = json.dumps({"backup": "n8n-claude-bridge", "format": 2, "layout": 1, "version": "8"})
    with pytest.raises(BackupError, match="version 8 of the bridge"):
        read(gzip.compress(heading.encode() + b"\n"))

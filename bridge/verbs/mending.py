"""What records say once they are restored: whatever was open may have gone on since the backup.

The rules are those for a process that died (contract of calls): never is a call run twice without
saying so, and what may have arrived is sent again as such. Where no process lived as the backup
was made, nothing has gone on since, and what was not begun begins.
"""

import json
from dataclasses import replace

from bridge.formats.backup_file import KeptKey, KeptRecord

RESTORED = "restored from a backup; it may have run"
OPEN = (b"queued", b"running")


def mended(record: KeptRecord, now_ms: int, *, was_running: bool) -> KeptRecord:
    """Return a record as it is to be restored."""
    match record.family:
        case "call":
            first = _call(record.keys[0], now_ms, was_running=was_running)
            return replace(record, keys=(first, *record.keys[1:]))
        case "event":
            keys = [_without(key, b"holder") for key in record.keys[:1]]
            keys += [
                _reply(key) if key.name.startswith("reply:") else key for key in record.keys[1:]
            ]
            return replace(record, keys=tuple(keys))
        case "subscription":
            return replace(record, keys=(_without(record.keys[0], b"lease", b"holder"),))
    return record


def is_starting(record: KeptRecord) -> bool:
    """Report whether a restored record is a call that is to run once, and is not sent yet.

    One that waits until somebody approves of it is none.
    """
    if record.family != "call":
        return False
    call = record.keys[0].fields
    waits = b"approval" in call and b"approved_at" not in call
    may_run = call.get(b"status") == b"queued" and b"execution" not in call and not waits
    return may_run and call.get(b"idempotent") != b"1"


def _call(key: KeptKey, now_ms: int, *, was_running: bool) -> KeptKey:
    """Queue an open call again that may be run or is only followed; else it has failed."""
    call = key.fields
    if call.get(b"status") not in OPEN:
        return key
    was_begun, is_sent = call[b"status"] == b"running", b"sent_at" in call
    for field in (b"lease", b"holder"):
        call.pop(field, None)
    if b"awaited_by" in call and was_begun:
        return _with(key, call)  # n8n may call back still, and nothing is sent before
    attempt, attempts_max = int(call[b"attempt"]), int(call[b"max_attempts"])
    is_followed = b"execution" in call
    is_repeatable = call.get(b"idempotent") == b"1" and attempt < attempts_max
    may_have_run = is_sent or was_running
    if is_followed or is_repeatable or not may_have_run:
        if was_begun and (is_followed or not is_sent):
            call[b"attempt"] = str(attempt - 1).encode()
        return _with(key, call | {b"status": b"queued"})
    at, failure = str(now_ms).encode(), RESTORED.encode()
    line = json.dumps({"at": now_ms, "what": "failed", "reason": RESTORED}, separators=(",", ":"))
    return _with(
        key,
        call
        | {
            b"status": b"failed",
            b"failure": failure,
            b"blame": b"bridge",
            b"settled_with": b"",
            b"finished_at": at,
            b"updated_at": at,
            b"file_bytes": b"0",
            b"timeline": call.get(b"timeline", b"") + line.encode() + b"\n",
        },
    )


def _reply(key: KeptKey) -> KeptKey:
    """Mark a pending reply as one that may have arrived: n8n's 409 confirms it then."""
    reply = _without(key, b"lease", b"holder")
    if reply.fields.get(b"status") != b"pending":
        return reply
    return _with(reply, reply.fields | {b"unknown": b"1"})


def _without(key: KeptKey, *names: bytes) -> KeptKey:
    return _with(key, {name: value for name, value in key.fields.items() if name not in names})


def _with(key: KeptKey, fields: dict[bytes, bytes]) -> KeptKey:
    return replace(key, value=[each for pair in fields.items() for each in pair])

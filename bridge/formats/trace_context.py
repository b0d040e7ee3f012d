"""Trace context: which trace a request is part of, and what is part of it in turn."""

import hashlib
import re

_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = "01"


def trace_of(traceparent: object) -> str:
    """Take out of a `traceparent` what goes on: the trace's id and flags; empty if it is none.

    Source: W3C Trace Context, section 3.2 (a later version may bring more behind the flags).
    """
    found = _TRACEPARENT.fullmatch(traceparent) if isinstance(traceparent, str) else None
    if found is None:
        return ""
    version, trace, parent, flags, more = found.groups()
    if not trace.strip("0") or not parent.strip("0") or (version == "00" and more):
        return ""
    return f"{trace}-{int(flags, 16) & 1:02x}"


def traceparent(trace: str, call_id: str, attempt: int) -> str:
    """Write the `traceparent` of an attempt: a span of `trace`, or of a trace of the call's own."""
    own = f"{hashlib.sha256(call_id.encode()).hexdigest()[:32]}-{_SAMPLED}"
    trace_id, _, flags = (trace or own).partition("-")
    span = hashlib.sha256(f"{call_id} {attempt}".encode()).hexdigest()[:16]
    return f"00-{trace_id}-{span}-{flags}"

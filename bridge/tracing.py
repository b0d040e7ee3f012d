"""Spans of OpenTelemetry: what became of a request, across processes and days.

A call and an event outlive the process that began them, so the span of each has an id that follows
from the record's: whoever goes on with it knows the parent of its own span without being told. For
the same reason a span is made once it has ended.

Nothing is made unless the process sends spans (`span_export`). No attribute holds a payload: names,
ids and outcomes only.
"""

import hashlib
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from bridge import __version__

CHOSEN: Final[ContextVar[SpanContext | None]] = ContextVar("chosen", default=None)
"""The ids of the span that is being made."""


def are_spans_sent() -> bool:
    """Report whether this process sends spans."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def current_trace() -> str:
    """Return the trace of what is being served, as `models.trace_of` does; empty without one."""
    span = trace.get_current_span().get_span_context()
    return f"{span.trace_id:032x}-{span.trace_flags:02x}" if span.is_valid else ""


@dataclass(frozen=True, slots=True)
class EndedSpan:
    """Something that has just ended, which is told of a call or an event.

    Args:
        name: what it was.
        trace: as `models.trace_of` returns it; empty for a trace of the record's own.
        record_id: of the call or the event.
        began_at_s: in seconds since 1970.
        attributes: names, ids and outcomes.
        part: which part of the record it was, and the record's own span is above it; empty for the
            record's own, which is under what is being served.
        under: the `traceparent` of what is above the record's own span elsewhere.
        failure: in a word, where it failed.
        asks_n8n: n8n was asked, so spans of its own may be under this one.
    """

    name: str
    trace: str
    record_id: str
    began_at_s: float
    attributes: Mapping[str, str | int] = field(default_factory=dict)
    part: str = ""
    under: str = ""
    failure: str = ""
    asks_n8n: bool = False

    def record(self) -> None:
        """Send it, if spans are sent."""
        if not are_spans_sent():
            return
        own = self._span(self.part)
        above = self._span("") if self.part else self._above()
        is_within = above.is_valid and above.trace_id == own.trace_id
        chosen = CHOSEN.set(own)
        try:
            span = trace.get_tracer("n8n-claude-bridge", __version__).start_span(
                self.name,
                set_span_in_context(NonRecordingSpan(above), Context()) if is_within else Context(),
                SpanKind.CLIENT if self.asks_n8n else SpanKind.INTERNAL,
                dict(self.attributes),
                start_time=round(self.began_at_s * 1e9),
            )
        finally:
            CHOSEN.reset(chosen)
        if self.failure:
            span.set_status(Status(StatusCode.ERROR, self.failure))
        span.end(round(time.time() * 1e9))

    def _span(self, part: str) -> SpanContext:
        """Return the ids of a part of the record, by which `models.traceparent` goes too."""
        own_trace = f"{hashlib.sha256(self.record_id.encode()).hexdigest()[:32]}-01"
        trace_id, _, flags = (self.trace or own_trace).partition("-")
        span_id = hashlib.sha256(f"{self.record_id} {part}".encode()).hexdigest()[:16]
        return _context(trace_id, span_id, flags)

    def _above(self) -> SpanContext:
        if not self.under:
            return trace.get_current_span().get_span_context()
        _, trace_id, span_id, flags = self.under.split("-")[:4]
        return _context(trace_id, span_id, flags)


def _context(trace_id: str, span_id: str, flags: str) -> SpanContext:
    return SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16))
    )

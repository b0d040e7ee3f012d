"""Events and calls as whoever writes servers follows them: how far each is, and when it got there.

Pure: of a record and its timeline.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bridge.models import Call, Event, EventStatus, Moment, ReplyStatus, Timeline

SETTLED = frozenset({ReplyStatus.NONE, ReplyStatus.DELIVERED, ReplyStatus.DEAD})


@dataclass(frozen=True)
class Stage:
    """One thing that a record has come to, and when."""

    name: str
    at_ms: int


@dataclass(frozen=True)
class Activity:
    """One event or call as it stands; `part` is its hook or workflow, `who` holds or made it.

    `stages` are those it has come to, the first always there: received, leased, answered and
    delivered of an event; queued, sent and the end of a call.
    """

    record_id: str
    order: int
    is_call: bool
    server: str
    part: str
    status: str
    reply: str
    attempt: int
    who: str
    reason: str
    is_open: bool
    stages: tuple[Stage, ...]

    @property
    def place(self) -> str:
        """Return where it belongs."""
        return f"{self.server}/{self.part}"

    @property
    def state(self) -> str:
        """Return where it stands, its reply included, in a few words."""
        return f"{self.status}, reply {self.reply}" if self.reply else self.status

    @property
    def times(self) -> str:
        """Return its stages after the first, each with the time that it took since then."""
        first, *later = self.stages
        since = [f"{stage.name} {_after(stage.at_ms - first.at_ms)}" for stage in later]
        return " → ".join([first.name, *since])


def of_event(event: Event, timeline: Timeline) -> Activity:
    """Return an event as it stands."""
    taken = _last(timeline, "taken")
    answered = _last(timeline, "answered")
    delivered = _last(timeline, "reply_tried", "status", ReplyStatus.DELIVERED)
    named = (
        ("leased", taken if event.status is not EventStatus.QUEUED else None),
        ("answered", answered),
        ("expired", _last(timeline, "expired")),
        ("delivered", delivered),
    )
    holds = taken if event.status is EventStatus.LEASED else answered
    failed = event.reply.last_failure if event.reply.status is not ReplyStatus.DELIVERED else None
    is_final = event.status not in (EventStatus.QUEUED, EventStatus.LEASED)
    return Activity(
        record_id=event.event_id,
        order=event.order,
        is_call=False,
        server=event.server,
        part=event.hook,
        status=event.status,
        reply="" if event.reply.status is ReplyStatus.NONE else event.reply.status,
        attempt=event.attempt,
        who=str(holds.said.get("by", "")) if holds else "",
        reason=event.reason or failed or "",
        is_open=not (is_final and event.reply.status in SETTLED),
        stages=(Stage("received", event.received_at_ms), *_stages(named)),
    )


def of_call(call: Call, timeline: Timeline) -> Activity:
    """Return a call as it stands."""
    ended = _last(timeline, call.status) if call.status.is_final else None
    named = (("sent", _last(timeline, "sent")), (str(call.status), ended))
    return Activity(
        record_id=call.call_id,
        order=call.order,
        is_call=True,
        server=call.principal.server,
        part=call.workflow,
        status=call.status,
        reply="",
        attempt=call.attempt,
        who=call.principal.name,
        reason=call.failure or call.message or "",
        is_open=not call.status.is_final,
        stages=(Stage("queued", call.created_at_ms), *_stages(named)),
    )


def _stages(named: Iterable[tuple[str, Moment | None]]) -> Iterable[Stage]:
    return (Stage(name, moment.at_ms) for name, moment in named if moment)


def _last(timeline: Timeline, what: str, said: str = "", is_: object = None) -> Moment | None:
    """Find the last moment of a kind, or the last that also says something."""
    found = (each for each in reversed(timeline.moments) if each.what == what)
    return next((each for each in found if not said or each.said.get(said) == is_), None)


def _after(ms: int) -> str:
    if ms < 1000:
        return f"{ms} ms"
    return f"{ms / 1000:.1f} s" if ms < 60_000 else f"{ms // 60_000} min {ms // 1000 % 60} s"

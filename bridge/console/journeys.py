"""Timelines over three systems: n8n's execution, the event, Claude's calls, n8n's runs, the reply.

Nothing says for which event a call was made. What is known is who held the event and when, so the
calls that a principal made while it held one stand in its timeline, and are said to be no more.
"""

from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from bridge.console.listing import LOOK
from bridge.console.values import shown_text
from bridge.console.visits import Visit, root_of
from bridge.formats.json_text import spell
from bridge.models import Call, Event, Moment, Timeline, instant
from bridge.n8n.reply_address import link_to
from bridge.verbs.record_search import RecordPage, RecordSearch

NEIGHBOURS_MAX = 20
LOOKED_AT_MAX = 5
N8N, CLAUDE, BRIDGE = "n8n", "Claude", "bridge"
PLACES = {
    **dict.fromkeys(("accepted", "merged", "executing", "reply_tried"), N8N),
    **dict.fromkeys(("created", "joined", "taken", "extended", "released", "answered"), CLAUDE),
}
"""Whose doing each moment is; of all others it is the bridge's."""
CONTENTS = frozenset({"default_reply", "message"})
"""What of a moment is part of a payload or a result."""


@dataclass(frozen=True)
class JourneyStep:
    """One line of a timeline: whose doing it is, and where to see more of it."""

    at_ms: int
    place: str
    what: str
    said: dict[str, str] = field(default_factory=dict, hash=False)
    link: str | None = None


@dataclass(frozen=True)
class Journey:
    """A timeline, and where in the console to look on for what stands in it from other records."""

    steps: list[JourneyStep]
    further: str = ""


@dataclass(frozen=True)
class Holding:
    """That a principal held an event; `until_ms` is None while it does."""

    principal: str
    from_ms: int
    until_ms: int | None

    def covers(self, at_ms: int) -> bool:
        """Report whether it held it at a moment."""
        return self.from_ms <= at_ms and (self.until_ms is None or at_ms <= self.until_ms)


def holding_of(timeline: Timeline) -> Holding | None:
    """Return who held an event last, and when."""
    held: Holding | None = None
    for moment in timeline.moments:
        if moment.what == "taken":
            held = Holding(str(moment.said.get("by", "")), moment.at_ms, None)
        elif held and held.until_ms is None and moment.what != "extended":
            held = Holding(held.principal, held.from_ms, moment.at_ms)
    return held


async def event_journey(visit: Visit, event: Event, timeline: Timeline) -> Journey:
    """Return what happened to an event, with the calls made by whoever held it last."""
    steps = [_step(visit, moment) for moment in timeline.moments]
    sent_by = link_to(event.execution, visit.runtime.settings.n8n_url)
    if event.execution and steps:
        said = {"execution": event.execution}
        steps[0] = replace(steps[0], place=N8N, said=said, link=sent_by)
    held, further = holding_of(timeline), ""
    if held and held.principal:
        wanted = RecordSearch(
            server=event.server,
            principal=held.principal,
            since=held.from_ms * 1000,
            before=None if held.until_ms is None else held.until_ms * 1000 + 999,
        )
        calls = await visit.runtime.records.calls(wanted, NEIGHBOURS_MAX, LOOK)
        steps += [_call_step(visit, call) for call in calls.rows]
        further = _further("calls", wanted, calls)
    return Journey(sorted(steps, key=lambda step: step.at_ms), further)


async def call_journey(visit: Visit, call: Call, timeline: Timeline) -> Journey:
    """Return what happened to a call, with the events that were held when it was made."""
    steps = [_step(visit, moment) for moment in timeline.moments]
    wanted = RecordSearch(
        server=call.principal.server, principal=call.principal.name, before=call.order
    )
    events = await visit.runtime.records.events(wanted, LOOKED_AT_MAX, LOOK)
    for event in events.rows:
        _, held_by = await visit.runtime.operators.event(event.event_id)
        held = holding_of(held_by)
        if held and held.principal == call.principal.name and held.covers(call.created_at_ms):
            steps.append(_event_step(visit, event, held))
    return Journey(sorted(steps, key=lambda step: step.at_ms), _further("events", wanted, events))


def _further(kind: str, wanted: RecordSearch, found: RecordPage[Any]) -> str:
    """Return where a search goes on that was cut short."""
    if not found.is_cut:
        return ""
    asked = {"server": wanted.server, "principal": wanted.principal, "before": found.cursor}
    since = {"since": instant(wanted.since // 1000)} if wanted.since else {}
    return f"/{kind}?{urlencode(asked | since)}"


def _step(visit: Visit, moment: Moment) -> JourneyStep:
    said = {
        name: shown_text(value if isinstance(value, str) else spell(value))
        for name, value in moment.said.items()
        if visit.login.sees_payloads or name not in CONTENTS
    }
    link = link_to(said.get("execution", ""), visit.runtime.settings.n8n_url)
    return JourneyStep(moment.at_ms, PLACES.get(moment.what, BRIDGE), moment.what, said, link)


def _call_step(visit: Visit, call: Call) -> JourneyStep:
    said = {"workflow": call.workflow, "status": call.status}
    link = f"{root_of(visit.request)}/calls/{call.call_id}"
    return JourneyStep(call.created_at_ms, CLAUDE, "called meanwhile", said, link)


def _event_step(visit: Visit, event: Event, held: Holding) -> JourneyStep:
    said = {"hook": event.hook, "status": event.status}
    link = f"{root_of(visit.request)}/events/{event.event_id}"
    return JourneyStep(held.from_ms, CLAUDE, "event held meanwhile", said, link)

"""`n8n-bridge events`: what came in, what became of it, and putting it back."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import BinaryIO

import click

from bridge.cli.editing import edited, written
from bridge.cli.listing import Listed, act_on_named
from bridge.cli.operating import Operation, operate
from bridge.cli.options import (
    Bulk,
    Chosen,
    Shown,
    acting,
    choosing,
    demand_one_way,
    filters,
    listing,
    with_payload,
)
from bridge.cli.options import as_json as json_option
from bridge.cli.output import (
    event_row,
    execution_rows,
    print_record,
    print_rows,
    tail,
    timeline_rows,
)
from bridge.formats.json_text import decode
from bridge.formats.payloads import Content
from bridge.formats.times import PastMoment
from bridge.log import OPERATOR, audit
from bridge.models import Body, Event, EventStatus
from bridge.verbs.operators import RecordFilter
from bridge.verbs.records import RecordKind, Records

COLUMNS = "event_id server hook status paused_since attempt received_at reply.status"
LISTED = Listed(RecordKind.EVENTS, Records.events, event_row, COLUMNS, "event_id")
SET_ASIDE = (EventStatus.DEAD, EventStatus.EXPIRED)
BY = "Only what this principal took last."

Environ = Mapping[str, str]


@click.group()
def events() -> None:
    """See events and redrive those that were set aside."""


@events.command("ls")
@choosing("hook", list(EventStatus), BY)
@listing
@click.pass_obj
def list_events(environ: Environ, chosen: Chosen, shown: Shown) -> None:
    """List events, newest first."""
    LISTED.show(environ, chosen, shown)


@events.command("show")
@click.argument("event_id")
@with_payload
@json_option
@click.pass_obj
def show_event(environ: Environ, event_id: str, payload: bool, as_json: bool) -> None:
    """Show one event and all that happened to it."""

    async def work(operation: Operation) -> None:
        event, timeline = await operation.operators.event(event_id)
        row = event_row(event) | execution_rows(event.execution, operation.settings.n8n_url)
        if payload:
            row |= event.kept
            row["payload"] = decode(await operation.operators.payload(event_id) or b"null")
            row["reply_value"] = decode(event.reply.value or b"null")
        print_record(row | timeline_rows(timeline), as_json=as_json)

    operate(environ, work)


@events.command("redrive")
@click.argument("event_ids", nargs=-1)
@choosing("hook", SET_ASIDE, BY)
@acting
@click.pass_obj
def redrive_events(
    environ: Environ,
    event_ids: tuple[str, ...],
    chosen: Chosen,
    bulk: Bulk,
) -> None:
    """Queue dead and expired events anew: those named, or all that the options choose."""
    demand_one_way(event_ids, bulk, is_chosen=not chosen.is_any, kind="events")

    async def redrive(operation: Operation, event_id: str) -> dict[str, object]:
        event_status, reply_status = await operation.operators.redrive(event_id)
        return {"status": event_status, "reply_status": reply_status}

    if event_ids:
        act_on_named(environ, "events redrive", event_ids, redrive, as_json=bulk.as_json)
    else:
        aside = replace(chosen, statuses=chosen.statuses or SET_ASIDE)
        LISTED.act_on_chosen(environ, "events redrive", aside, redrive, bulk)


@events.command("run-again")
@click.argument("event_id")
@edited("payload")
@json_option
@click.pass_obj
def run_event_again(
    environ: Environ, event_id: str, file: BinaryIO | None, edit: bool, as_json: bool
) -> None:
    """Bring an event's payload to its hook again as new; each of the two events names the other.

    It is checked against the hook's schema as it is now. Nobody in n8n waits for the answer: it
    stays with the event. To have a workflow go on that still waits, redrive the event itself.
    """

    async def work(operation: Operation) -> Event:
        again = operation.running_again
        earlier = await again.payload(event_id) if edit else None
        value = written(earlier, file, edit=edit)
        content = Content(value.value, Body(value.text, "application/json")) if value else None
        event = await again.run_event(event_id, OPERATOR, operation.servers, content)
        audit(OPERATOR, "events run-again", event_id, event.event_id)
        return event

    print_record(event_row(operate(environ, work)), as_json=as_json)


@events.command("release")
@click.argument("event_ids", nargs=-1, required=True)
@json_option
@click.pass_obj
def release_events(environ: Environ, event_ids: tuple[str, ...], as_json: bool) -> None:
    """Queue leased events again; their takers may still answer, until others have taken them."""

    async def release(operation: Operation, event_id: str) -> dict[str, object]:
        status = await operation.operators.release(event_id, OPERATOR)
        return {"status": status}

    act_on_named(environ, "events release", event_ids, release, as_json=as_json)


@events.command("expire")
@click.argument("event_ids", nargs=-1, required=True)
@json_option
@click.pass_obj
def expire_events(environ: Environ, event_ids: tuple[str, ...], as_json: bool) -> None:
    """End the time of events: n8n gets the hook's default reply, where there is one."""

    async def expire(operation: Operation, event_id: str) -> dict[str, object]:
        status, reply_status = await operation.operators.expire(event_id)
        return {"status": status, "reply_status": reply_status}

    act_on_named(environ, "events expire", event_ids, expire, as_json=as_json)


@events.command("tail")
@filters("hook", list(EventStatus))
@json_option
@click.pass_obj
def tail_events(
    environ: Environ,
    chosen: RecordFilter,
    since: PastMoment | None,
    as_json: bool,
) -> None:
    """Follow events as they come in, until Ctrl-C."""

    async def look(operation: Operation, wanted: RecordFilter) -> list[Event]:
        return await operation.operators.events(wanted)

    def show(found: Sequence[Event], is_first: bool) -> None:
        rows = [event_row(event) for event in found]
        print_rows(rows, COLUMNS, as_json=as_json, has_head=is_first)

    tail(environ, RecordKind.EVENTS, chosen, since, look, show)

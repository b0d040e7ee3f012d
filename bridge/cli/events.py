"""`n8n-bridge events`: what came in, what became of it, and putting it back."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import click

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
from bridge.models import Event, EventStatus
from bridge.verbs.operators import RecordFilter
from bridge.verbs.records import RecordKind, Records

COLUMNS = "event_id server hook status attempt received_at reply.status"
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


@events.command("tail")
@filters("hook", list(EventStatus))
@json_option
@click.pass_obj
def tail_events(
    environ: Environ,
    chosen: RecordFilter,
    since: float | None,
    as_json: bool,
) -> None:
    """Follow events as they come in, until Ctrl-C."""

    async def look(operation: Operation, wanted: RecordFilter) -> list[Event]:
        return await operation.operators.events(wanted)

    def show(found: Sequence[Event], is_first: bool) -> None:
        rows = [event_row(event) for event in found]
        print_rows(rows, COLUMNS, as_json=as_json, has_head=is_first)

    tail(environ, chosen, since, look, show)

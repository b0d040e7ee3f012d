"""`n8n-bridge events`: what came in, what became of it, and putting it back."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import click

from bridge.cli.operating import Operation, operate
from bridge.cli.options import as_json as json_option
from bridge.cli.options import each, filters, limited, with_payload
from bridge.cli.output import (
    after,
    event_row,
    execution_rows,
    print_record,
    print_rows,
    tail,
    timeline_rows,
)
from bridge.formats.json_text import decode
from bridge.log import OPERATOR, audit
from bridge.models import Event, EventStatus
from bridge.verbs.operators import RecordFilter

COLUMNS = "event_id server hook status attempt received_at reply.status"
PAGE = 200

Environ = Mapping[str, str]


@click.group()
def events() -> None:
    """See events and redrive those that were set aside."""


@events.command("ls")
@filters("hook", list(EventStatus))
@limited
@json_option
@click.pass_obj
def list_events(
    environ: Environ,
    chosen: RecordFilter,
    since: float | None,
    limit: int,
    as_json: bool,
) -> None:
    """List events, oldest first."""

    async def work(operation: Operation) -> None:
        wanted = replace(chosen, after=await after(operation, since), limit=limit)
        found = await operation.operators.events(wanted)
        print_rows([event_row(event) for event in found], COLUMNS, as_json=as_json)

    operate(environ, work)


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
@filters("hook", [EventStatus.DEAD, EventStatus.EXPIRED])
@json_option
@click.pass_obj
def redrive_events(
    environ: Environ,
    event_ids: tuple[str, ...],
    chosen: RecordFilter,
    since: float | None,
    as_json: bool,
) -> None:
    """Queue dead and expired events anew: those named, or all that the options choose."""
    if bool(event_ids) == any((chosen.server, chosen.part, chosen.status, since)):
        raise click.UsageError("name events, or choose them by --status, --hook, --server, --since")

    async def redrive(operation: Operation, event_id: str) -> dict[str, object]:
        event_status, reply_status = await operation.operators.redrive(event_id)
        audit(OPERATOR, "events redrive", event_id, "done")
        return {"status": event_status, "reply_status": reply_status}

    async def work(operation: Operation) -> bool:
        ids = list(event_ids)
        for status in () if ids else [chosen.status] if chosen.status else ["dead", "expired"]:
            seen = await after(operation, since)
            wanted = replace(chosen, status=status, after=seen, limit=PAGE)
            ids += await _chosen(operation, wanted)
        return await each(ids, lambda one: redrive(operation, one), json_lines=as_json)

    if not operate(environ, work):
        raise SystemExit(1)


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


async def _chosen(operation: Operation, wanted: RecordFilter) -> list[str]:
    """Name every event that is wanted, before any of them is put elsewhere."""
    ids: list[str] = []
    while found := await operation.operators.events(wanted):
        ids += [event.event_id for event in found]
        wanted = replace(wanted, after=found[-1].order)
    return ids

"""`n8n-bridge events`: what came in, what became of it, and putting it back."""

from collections.abc import Callable, Mapping
from typing import Any

import click

from bridge.cli.acting import Wish, act_on, run_again
from bridge.cli.editing import Edit, edited
from bridge.cli.listing import Listed
from bridge.cli.operating import Operation, operate
from bridge.cli.options import Acting, Command, Shown, acting, choosing, listing, with_payload
from bridge.cli.options import as_json as json_option
from bridge.cli.output import Row, event_row, execution_rows, print_record, timeline_rows
from bridge.formats.json_text import decode
from bridge.formats.payloads import Content
from bridge.log import OPERATOR
from bridge.models import Body, EventStatus
from bridge.verbs.bulk_records import POSSIBLE, ActKind
from bridge.verbs.record_filters import SearchTerms
from bridge.verbs.record_search import RecordKind
from bridge.verbs.records import Records

COLUMNS = "event_id server hook status paused_since attempt received_at reply.status"
LISTED = Listed(RecordKind.EVENTS, Records.events, event_row, COLUMNS, "event_id")
BY = "Only what this principal took last."


def _chosen_for(act: ActKind) -> Callable[[Command], Callable[..., Any]]:
    return choosing("hook", POSSIBLE[RecordKind.EVENTS, act], BY)


Environ = Mapping[str, str]


@click.group()
def events() -> None:
    """See events and redrive those that were set aside."""


@events.command("ls")
@choosing("hook", list(EventStatus), BY)
@listing
@click.pass_obj
def list_events(environ: Environ, chosen: SearchTerms, shown: Shown) -> None:
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
@_chosen_for(ActKind.REDRIVE)
@acting
@click.pass_obj
def redrive_events(
    environ: Environ, event_ids: tuple[str, ...], chosen: SearchTerms, how: Acting
) -> None:
    """Queue dead and expired events anew: those named, or all that the options choose."""

    async def redrive(operation: Operation, event_id: str) -> dict[str, object]:
        event_status, reply_status = await operation.operators.redrive(event_id)
        return {"status": event_status, "reply_status": reply_status}

    act_on(environ, Wish(LISTED, ActKind.REDRIVE), event_ids, redrive, chosen, how)


@events.command("run-again")
@click.argument("event_id", required=False)
@edited("payload")
@_chosen_for(ActKind.RUN_AGAIN)
@acting
@click.pass_obj
def run_event_again(
    environ: Environ, event_id: str | None, edit: Edit, chosen: SearchTerms, how: Acting
) -> None:
    """Bring payloads to their hooks again as new: of the event named, or of all that are chosen.

    Each of the two events names the other. The payload is checked against the hook's schema as it
    is now; that of the event named may be another. Nobody in n8n waits for the answer: it stays
    with the event. To have a workflow go on that still waits, redrive the event itself.
    """

    async def one(operation: Operation, named: str) -> tuple[str, Row]:
        again, max_bytes = operation.running_again, operation.settings.max_body_bytes
        value = await edit.written(lambda: again.payload(named), max_bytes)
        content = Content(value.value, Body(value.text, "application/json")) if value else None
        event = await again.run_event(named, OPERATOR, operation.servers, content)
        return event.event_id, event_row(event)

    edit.demand_one(event_id)
    run_again(environ, LISTED, event_id, one, chosen, how)


@events.command("release")
@click.argument("event_ids", nargs=-1)
@_chosen_for(ActKind.RELEASE)
@acting
@click.pass_obj
def release_events(
    environ: Environ, event_ids: tuple[str, ...], chosen: SearchTerms, how: Acting
) -> None:
    """Queue leased events again: those named, or all that the options choose.

    Their takers may still answer, until others have taken them.
    """

    async def release(operation: Operation, event_id: str) -> dict[str, object]:
        return {"status": await operation.operators.release(event_id, OPERATOR)}

    act_on(environ, Wish(LISTED, ActKind.RELEASE), event_ids, release, chosen, how)


@events.command("expire")
@click.argument("event_ids", nargs=-1)
@_chosen_for(ActKind.EXPIRE)
@acting
@click.pass_obj
def expire_events(
    environ: Environ, event_ids: tuple[str, ...], chosen: SearchTerms, how: Acting
) -> None:
    """End the time of events: of those named, or of all open ones that the options choose.

    n8n gets the hook's default reply, where there is one.
    """

    async def expire(operation: Operation, event_id: str) -> dict[str, object]:
        status, reply_status = await operation.operators.expire(event_id)
        return {"status": status, "reply_status": reply_status}

    act_on(environ, Wish(LISTED, ActKind.EXPIRE), event_ids, expire, chosen, how)


@events.command("tail")
@choosing("hook", list(EventStatus), BY, without=("until", "bulk"))
@json_option
@click.pass_obj
def tail_events(environ: Environ, chosen: SearchTerms, as_json: bool) -> None:
    """Follow events as they come in, until Ctrl-C."""
    LISTED.follow(environ, chosen, as_json=as_json)

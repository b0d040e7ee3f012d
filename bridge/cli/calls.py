"""`n8n-bridge calls`: what Claude has run, how it went, and ending it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import click

from bridge.cli.operating import Operation, operate
from bridge.cli.options import as_json as json_option
from bridge.cli.options import each, filters, limited, with_payload
from bridge.cli.output import (
    after,
    call_row,
    execution_rows,
    print_record,
    print_rows,
    tail,
    timeline_rows,
)
from bridge.formats.json_text import decode
from bridge.log import OPERATOR, audit
from bridge.models import Call, CallStatus
from bridge.verbs.operators import RecordFilter

COLUMNS = "call_id server principal workflow status attempt created_at duration_ms"

Environ = Mapping[str, str]


@click.group()
def calls() -> None:
    """See calls of workflows and cancel them."""


@calls.command("ls")
@filters("workflow", list(CallStatus))
@limited
@json_option
@click.pass_obj
def list_calls(
    environ: Environ,
    chosen: RecordFilter,
    since: float | None,
    limit: int,
    as_json: bool,
) -> None:
    """List calls, oldest first."""

    async def work(operation: Operation) -> None:
        wanted = replace(chosen, after=await after(operation, since), limit=limit)
        found = await operation.operators.calls(wanted)
        print_rows([call_row(call) for call in found], COLUMNS, as_json=as_json)

    operate(environ, work)


@calls.command("show")
@click.argument("call_id")
@with_payload
@json_option
@click.pass_obj
def show_call(environ: Environ, call_id: str, payload: bool, as_json: bool) -> None:
    """Show one call and all that happened to it."""

    async def work(operation: Operation) -> None:
        call, timeline = await operation.operators.call(call_id)
        row = call_row(call) | execution_rows(call.execution, operation.settings.n8n_url)
        if payload:
            row["arguments"] = decode(call.arguments)
            row["result"] = decode(call.result or b"null")
        print_record(row | timeline_rows(timeline), as_json=as_json)

    operate(environ, work)


@calls.command("cancel")
@click.argument("call_ids", nargs=-1, required=True)
@json_option
@click.pass_obj
def cancel_calls(environ: Environ, call_ids: tuple[str, ...], as_json: bool) -> None:
    """End calls, sent or not; what n8n has already done stays done."""

    async def cancel(operation: Operation, call_id: str) -> dict[str, object]:
        status = await operation.operators.cancel(call_id)
        audit(OPERATOR, "calls cancel", call_id, "done")
        return {"status": status}

    async def work(operation: Operation) -> bool:
        return await each(call_ids, lambda one: cancel(operation, one), json_lines=as_json)

    if not operate(environ, work):
        raise SystemExit(1)


@calls.command("tail")
@filters("workflow", list(CallStatus))
@json_option
@click.pass_obj
def tail_calls(
    environ: Environ,
    chosen: RecordFilter,
    since: float | None,
    as_json: bool,
) -> None:
    """Follow calls as they are made, until Ctrl-C."""

    async def look(operation: Operation, wanted: RecordFilter) -> list[Call]:
        return await operation.operators.calls(wanted)

    def show(found: Sequence[Call], is_first: bool) -> None:
        rows = [call_row(call) for call in found]
        print_rows(rows, COLUMNS, as_json=as_json, has_head=is_first)

    tail(environ, chosen, since, look, show)

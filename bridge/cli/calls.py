"""`n8n-bridge calls`: what Claude has run, how it went, and ending it."""

from collections.abc import Mapping

import click

from bridge.cli.acting import Wish, act_on, run_again
from bridge.cli.editing import Edit, edited
from bridge.cli.listing import Listed
from bridge.cli.operating import Operation, operate
from bridge.cli.options import Acting, Shown, acting, choosing, listing, with_payload
from bridge.cli.options import as_json as json_option
from bridge.cli.output import (
    Row,
    approval_rows,
    call_row,
    execution_rows,
    print_record,
    timeline_rows,
)
from bridge.formats.json_text import decode
from bridge.log import OPERATOR, audit
from bridge.models import Call, CallStatus
from bridge.verbs.bulk_records import POSSIBLE, ActKind
from bridge.verbs.record_filters import SearchTerms
from bridge.verbs.record_search import RecordKind
from bridge.verbs.records import Records
from bridge.verbs.running_again import read_arguments

COLUMNS = "call_id server principal workflow status paused_since attempt created_at duration_ms"
LISTED = Listed(RecordKind.CALLS, Records.calls, call_row, COLUMNS, "call_id")
BY = "Only what this principal made."

Environ = Mapping[str, str]


@click.group()
def calls() -> None:
    """See calls of workflows and cancel them."""


@calls.command("ls")
@choosing("workflow", list(CallStatus), BY)
@listing
@click.pass_obj
def list_calls(environ: Environ, chosen: SearchTerms, shown: Shown) -> None:
    """List calls, newest first."""
    LISTED.show(environ, chosen, shown)


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
        row |= approval_rows(call.approval)
        if payload:
            row["arguments"] = decode(call.arguments)
            row["result"] = decode(call.result or b"null")
        print_record(row | timeline_rows(timeline), as_json=as_json)

    operate(environ, work)


@calls.command("cancel")
@click.argument("call_ids", nargs=-1)
@choosing("workflow", POSSIBLE[RecordKind.CALLS, ActKind.CANCEL], BY)
@acting
@click.pass_obj
def cancel_calls(
    environ: Environ, call_ids: tuple[str, ...], chosen: SearchTerms, how: Acting
) -> None:
    """End calls, sent or not: those named, or all that the options choose.

    What n8n has already done stays done.
    """

    async def cancel(operation: Operation, call_id: str) -> dict[str, object]:
        return {"status": await operation.operators.cancel(call_id)}

    act_on(environ, Wish(LISTED, ActKind.CANCEL), call_ids, cancel, chosen, how)


DIGEST = "Decide only if the call would do what this stands for: the digest that `show` names."
REASON = "Why; it stands on record, and whoever has asked for a refused call reads it."


@calls.command("approve")
@click.argument("call_id")
@click.option("--digest", metavar="DIGEST", help=DIGEST)
@click.option("--reason", metavar="TEXT", default="", help=REASON)
@json_option
@click.pass_obj
def approve_call(
    environ: Environ, call_id: str, digest: str | None, reason: str, as_json: bool
) -> None:
    """Let a call be run that waits for somebody's approval.

    `show --payload` shows with which arguments it would be run.
    """
    _decide(environ, "approve", call_id, digest, reason, as_json=as_json)


@calls.command("refuse")
@click.argument("call_id")
@click.option("--digest", metavar="DIGEST", help=DIGEST)
@click.option("--reason", metavar="TEXT", default="", help=REASON)
@json_option
@click.pass_obj
def refuse_call(
    environ: Environ, call_id: str, digest: str | None, reason: str, as_json: bool
) -> None:
    """End a call that waits for somebody's approval and shall not be run."""
    _decide(environ, "refuse", call_id, digest, reason, as_json=as_json)


def _decide(
    environ: Environ, act: str, call_id: str, digest: str | None, reason: str, *, as_json: bool
) -> None:
    async def work(operation: Operation) -> Call:
        call, _ = await operation.operators.call(call_id)
        seen = digest or (call.approval.digest if call.approval else "")
        approvals = operation.operators.approvals
        decide = approvals.approve if act == "approve" else approvals.refuse
        await decide(call_id, seen, reason, OPERATOR)
        audit(OPERATOR, f"calls {act}", call_id, "done")
        call, _ = await operation.operators.call(call_id)
        return call

    call = operate(environ, work)
    print_record(call_row(call) | approval_rows(call.approval), as_json=as_json)


@calls.command("run-again")
@click.argument("call_id", required=False)
@edited("arguments")
@choosing("workflow", POSSIBLE[RecordKind.CALLS, ActKind.RUN_AGAIN], BY)
@acting
@click.pass_obj
def run_call_again(
    environ: Environ, call_id: str | None, edit: Edit, chosen: SearchTerms, how: Acting
) -> None:
    """Run calls again as new: the one named, with other arguments where wanted, or all chosen.

    Each of the two calls names the other. The new one is the same principal's, who finds it in
    list_calls, and is checked against the workflow's schema as it is now.
    """

    async def one(operation: Operation, named: str) -> tuple[str, Row]:
        again, settings = operation.running_again, operation.settings
        value = await edit.written(lambda: again.arguments(named), settings.max_body_bytes)
        arguments = None if value is None else read_arguments(value.value)
        ttl_s = settings.result_ttl_s
        call = await again.run_call(named, OPERATOR, operation.servers, ttl_s, arguments)
        return call.call_id, call_row(call)

    edit.demand_one(call_id)
    run_again(environ, LISTED, call_id, one, chosen, how)


@calls.command("tail")
@choosing("workflow", list(CallStatus), BY, without=("until", "bulk"))
@json_option
@click.pass_obj
def tail_calls(environ: Environ, chosen: SearchTerms, as_json: bool) -> None:
    """Follow calls as they are made, until Ctrl-C."""
    LISTED.follow(environ, chosen, as_json=as_json)

"""`n8n-bridge replies`: Claude's answers that are still on their way, or were given up."""

from collections.abc import Mapping

import click

from bridge.cli.operating import Operation, operate
from bridge.cli.options import as_json as json_option
from bridge.cli.options import each, limited
from bridge.cli.output import listed_reply_row, print_record, print_rows, reply_row
from bridge.log import OPERATOR, audit
from bridge.models import EventId, ReplyStatus, instant

COLUMNS = "event_id server hook status attempts last_failure"
PAGE = 200

Environ = Mapping[str, str]

server_option = click.option("--server", default="", help="Only of this server.")
hook_option = click.option("--hook", default="", help="Only of this hook.")


@click.group()
def replies() -> None:
    """See replies that n8n has not taken, and send dead ones again."""


@replies.command("ls")
@server_option
@hook_option
@click.option(
    "--status",
    type=click.Choice(["dead", "pending"]),
    default="dead",
    show_default=True,
    help="Only in this status.",
)
@limited
@json_option
@click.pass_obj
def list_replies(
    environ: Environ, server: str, hook: str, status: str, limit: int, as_json: bool
) -> None:
    """List replies that are dead or pending, oldest first."""

    async def work(operation: Operation) -> None:
        found = await operation.operators.replies.list(
            ReplyStatus(status), server=server, hook=hook, limit=limit
        )
        print_rows([listed_reply_row(reply) for reply in found], COLUMNS, as_json=as_json)

    operate(environ, work)


@replies.command("show")
@click.argument("event_id")
@json_option
@click.pass_obj
def show_reply(environ: Environ, event_id: str, as_json: bool) -> None:
    """Show an event's reply and how each attempt to deliver it ended."""

    async def work(operation: Operation) -> None:
        event, _ = await operation.operators.event(event_id)
        attempts = await operation.operators.replies.attempts(event.event_id)
        place = {"event_id": event.event_id, "server": event.server, "hook": event.hook}
        moments = [
            {
                "at": instant(attempt.at_ms),
                "what": attempt.status,
                "attempt": attempt.attempt,
                "failure": attempt.failure,
            }
            for attempt in attempts
        ]
        print_record(place | reply_row(event.reply) | {"timeline": moments}, as_json=as_json)

    operate(environ, work)


@replies.command("redrive")
@click.argument("event_ids", nargs=-1)
@server_option
@hook_option
@click.option("--all", "everything", is_flag=True, help="Every dead reply.")
@json_option
@click.pass_obj
def redrive_replies(
    environ: Environ,
    event_ids: tuple[str, ...],
    server: str,
    hook: str,
    everything: bool,
    as_json: bool,
) -> None:
    """Send dead replies again: those of the events named, or all that the options choose."""
    if bool(event_ids) == any((server, hook, everything)):
        raise click.UsageError("name events, or choose replies by --server, --hook or --all")

    async def redrive(operation: Operation, event_id: str) -> dict[str, object]:
        status = await operation.operators.replies.redrive(EventId(event_id))
        audit(OPERATOR, "replies redrive", event_id, "done")
        return {"status": status}

    async def work(operation: Operation) -> bool:
        ids = list(event_ids) or await _dead(operation, server, hook)
        return await each(ids, lambda one: redrive(operation, one), json_lines=as_json)

    if not operate(environ, work):
        raise SystemExit(1)


async def _dead(operation: Operation, server: str, hook: str) -> list[str]:
    """Name every dead reply that is meant, before any of them is put elsewhere."""
    ids: list[str] = []
    while found := await operation.operators.replies.list(
        ReplyStatus.DEAD, server=server, hook=hook, skip=len(ids), limit=PAGE
    ):
        ids += [reply.event_id for reply in found]
    return ids

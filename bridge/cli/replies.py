"""`n8n-bridge replies`: Claude's answers that are still on their way, or were given up."""

from collections.abc import Mapping
from dataclasses import replace

import click

from bridge.cli.acting import Wish, act_on
from bridge.cli.listing import Listed
from bridge.cli.operating import Operation, operate
from bridge.cli.options import Acting, Shown, acting, choosing, listing
from bridge.cli.options import as_json as json_option
from bridge.cli.output import listed_reply_row, print_record, reply_row
from bridge.models import EventId, ReplyStatus, instant
from bridge.verbs.bulk_records import ActKind
from bridge.verbs.record_filters import SearchTerms
from bridge.verbs.record_search import REPLIED, RecordKind
from bridge.verbs.records import Records

COLUMNS = "event_id server hook status attempts last_failure"
LISTED = Listed(RecordKind.REPLIES, Records.replies, listed_reply_row, COLUMNS, "event_id")
DEAD = (ReplyStatus.DEAD,)
BY = "Only to what this principal took last."

Environ = Mapping[str, str]


@click.group()
def replies() -> None:
    """See replies that n8n has not taken, and send dead ones again."""


@replies.command("ls")
@choosing("hook", REPLIED, BY)
@listing
@click.pass_obj
def list_replies(environ: Environ, chosen: SearchTerms, shown: Shown) -> None:
    """List replies, of the newest event first: dead ones, unless --status says otherwise."""
    LISTED.show(environ, replace(chosen, statuses=chosen.statuses or DEAD), shown)


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
@choosing("hook", DEAD, BY)
@click.option("--all", "everything", is_flag=True, help="Every dead reply.")
@acting
@click.pass_obj
def redrive_replies(
    environ: Environ,
    event_ids: tuple[str, ...],
    chosen: SearchTerms,
    everything: bool,
    how: Acting,
) -> None:
    """Send dead replies again: those of the events named, or all that the options choose."""

    async def redrive(operation: Operation, event_id: str) -> dict[str, object]:
        return {"status": await operation.operators.replies.redrive(EventId(event_id))}

    those = replace(chosen, statuses=DEAD) if everything else chosen
    act_on(environ, Wish(LISTED, ActKind.REDRIVE), event_ids, redrive, those, how)

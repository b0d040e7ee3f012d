"""`n8n-bridge subscriptions`: which webhooks are told of events, and how they stand."""

from collections.abc import Mapping

import click

from bridge.cli.listing import PATIENCE, tell_of_more, wanted_of
from bridge.cli.operating import Operation, operate
from bridge.cli.options import Shown, choosing, paging
from bridge.cli.output import print_rows
from bridge.models import SubscriptionStatus, instant
from bridge.store.searching import ListedSubscription
from bridge.verbs.record_filters import SearchTerms

COLUMNS = "subscription_id server hook principal host status behind expires_at last_error"
BY = "Only what this principal made."

Environ = Mapping[str, str]


@click.group()
def subscriptions() -> None:
    """See which clients are told of events by webhook."""


@subscriptions.command("ls")
@choosing("hook", list(SubscriptionStatus), BY, without=("bulk",))
@paging
@click.pass_obj
def list_subscriptions(environ: Environ, chosen: SearchTerms, shown: Shown) -> None:
    """List webhook subscriptions, those made last first.

    Of an address no more than the host is shown: whoever knows it can write to it.
    """

    async def work(operation: Operation) -> None:
        wanted = await wanted_of(operation, chosen, shown.cursor)
        page = await operation.records.subscriptions(wanted, shown.limit, PATIENCE)
        print_rows([_row(each) for each in page.rows], COLUMNS, as_json=shown.as_json)
        tell_of_more(page.cursor, is_cut=page.is_cut, as_json=shown.as_json)

    operate(environ, work)


def _row(each: ListedSubscription) -> dict[str, object]:
    moments = {
        "expires_at": each.expires_at_ms,
        "last_delivery_at": each.last_delivery_at_ms,
        "failed_since": each.failed_since_ms,
    }
    return {
        "subscription_id": each.subscription_id,
        "server": each.server,
        "hook": each.hook,
        "principal": each.principal,
        "host": each.host,
        "status": each.status,
        "behind": each.behind,
        "last_error": each.last_error,
    } | {name: at and instant(at, "seconds") for name, at in moments.items()}

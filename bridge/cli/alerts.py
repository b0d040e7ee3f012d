"""`n8n-bridge alerts`: what fires now, and whether receivers can be told."""

import asyncio
import time
from collections.abc import Mapping, Sequence

import click

from bridge.cli.operating import Operation, operate
from bridge.cli.options import as_json as json_option
from bridge.cli.output import print_json, print_rows
from bridge.configuration.alert_files import SETTING, read_alert_file
from bridge.configuration.alerts import Alerts
from bridge.configuration.demo import as_up_sees_to, with_demo
from bridge.configuration.server_files import read_server_files
from bridge.configuration.settings import Settings, servers_dir_of
from bridge.errors import ConfigurationError
from bridge.log import OPERATOR, audit
from bridge.models import instant
from bridge.store.alerts import AlertState, ReceiverRow
from bridge.verbs.alert_trials import TriedReceiver, send_test

Environ = Mapping[str, str]


@click.group()
def alerts() -> None:
    """See what fires, and try the receivers of alerts."""


@alerts.command("ls")
@json_option
@click.pass_obj
def ls(environ: Environ, as_json: bool) -> None:
    """List what fires now, what may soon, and how receivers were told last.

    `pending` holds, and has not held for as long as its rule wants.
    """
    known, _ = _read(environ)

    async def work(operation: Operation) -> tuple[Sequence[AlertState], Sequence[ReceiverRow]]:
        standing = await operation.alerts.standing()
        return standing, await operation.alerts.receivers(known.receivers)

    states, receivers = operate(environ, work)
    if as_json:
        print_json(
            {"alerts": [_state_row(each) for each in states]}
            | {"receivers": [_receiver_row(each) for each in receivers]}
        )
        return
    if states:
        columns = "rule place status severity since sentence remedy"
        print_rows([_state_row(each) for each in states], columns, as_json=False)
    else:
        click.echo("nothing fires")
    click.echo()
    columns = "receiver waiting delivered_at failed_at failure"
    print_rows([_receiver_row(each) for each in receivers], columns, as_json=False)


@alerts.command("test")
@click.argument("rule", required=False)
@json_option
@click.pass_obj
def test(environ: Environ, rule: str | None, as_json: bool) -> None:
    """Send a test to the receivers of a rule, or to all there are."""
    known, settings = _read(environ)
    at_ms = round(time.time() * 1000)
    tried = asyncio.run(send_test(known, rule, at_ms, settings.base_url))
    for each in tried:
        audit(OPERATOR, "alerts test", each.receiver, "refused" if each.failure else "done")
    print_rows([_tried_row(each) for each in tried], "receiver outcome failure", as_json=as_json)
    if any(each.failure for each in tried):
        raise click.exceptions.Exit(1)


def _read(environ: Environ) -> tuple[Alerts, Settings]:
    """Read the alerts of the bridge that is looked at.

    Raises:
        ConfigurationError: there is no file of them, or it is not sound.
    """
    seen = as_up_sees_to(environ)
    files = read_server_files(servers_dir_of(with_demo(environ)), seen)
    read = read_alert_file(seen, files)
    if read.faults:
        raise ConfigurationError(read.faults)
    if read.alerts is None:
        raise ConfigurationError((f"{SETTING} is not set: name the file of alerts",))
    return read.alerts, Settings.from_environ(environ, files.variables | read.variables)


def _state_row(state: AlertState) -> dict[str, object]:
    return {
        "alert": state.alert,
        "rule": state.rule,
        "place": state.place,
        "status": "pending" if state.fired_at_ms is None else "firing",
        "since": instant(state.since_ms, "seconds"),
        **state.said,
    }


def _receiver_row(row: ReceiverRow) -> dict[str, object]:
    return {
        "receiver": row.receiver,
        "waiting": row.waiting,
        "delivered_at": row.delivered_at and instant(row.delivered_at, "seconds"),
        "failed_at": row.failed_at and instant(row.failed_at, "seconds"),
        "failure": row.failure,
    }


def _tried_row(tried: TriedReceiver) -> dict[str, object]:
    outcome = "refused" if tried.failure else "taken"
    return {"receiver": tried.receiver, "outcome": outcome, "failure": tried.failure or None}

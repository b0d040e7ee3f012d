"""`n8n-bridge pause` and `resume`: hold a server, a hook or a workflow, and let it go on."""

import sys
from collections.abc import Mapping, Sequence

import click

from bridge.cli.operating import Operation, operate
from bridge.cli.options import as_json as json_option
from bridge.cli.output import print_json, print_rows
from bridge.log import OPERATOR, audit
from bridge.models import Pause, instant, second
from bridge.verbs.pausing import Begun, Paused

Environ = Mapping[str, str]

ASKED = (
    "What was begun: finish (it goes on), release (back to the queue what runs nothing twice), "
    "cancel (end calls, queue events again)?"
)


@click.command()
@click.argument("place", metavar="[SERVER|SERVER/HOOK|SERVER/WORKFLOW]", required=False)
@click.option(
    "--running",
    type=click.Choice([each.value for each in Begun]),
    help="What becomes of leased events and running calls; asked on a terminal, else finish.",
)
@json_option
@click.pass_obj
def pause(environ: Environ, place: str | None, running: str | None, as_json: bool) -> None:
    """Let nothing begin in a place; what comes waits. Without a place, list what is paused.

    A paused hook takes in and answers n8n as ever, and hands no event to Claude; of a paused
    workflow no attempt begins. Nothing is lost, until `resume`.
    """
    if place is None:
        if running:
            raise click.UsageError("name what is to be paused")
        _list(environ, as_json=as_json)
        return
    begun = Begun(running or _asked())

    async def work(operation: Operation) -> Paused:
        pausing = operation.operators.pausing
        paused = await pausing.pause(place, OPERATOR, begun, operation.servers)
        audit(OPERATOR, "pause", place, "done")
        return paused

    paused = operate(environ, work)
    if as_json:
        counts = {"released": paused.released, "cancelled": paused.cancelled}
        print_json(_row(paused.pause) | counts | {"go_on": paused.go_on})
    else:
        click.echo(
            f"{place} is paused since {second(paused.pause.at_ms)}. Of what was begun, "
            f"{paused.released} went back to the queue, {paused.cancelled} were cancelled, "
            f"{paused.go_on} go on. To end it: n8n-bridge resume {place}"
        )


def _asked() -> str:
    if not sys.stdin.isatty():
        return Begun.FINISH
    choice: str = click.prompt(
        ASKED,
        type=click.Choice([each.value for each in Begun]),
        default=Begun.FINISH.value,
        show_choices=False,
    )
    return choice


def _list(environ: Environ, *, as_json: bool) -> None:
    async def work(operation: Operation) -> Sequence[Pause]:
        return await operation.operators.pausing.listed()

    print_rows([_row(each) for each in operate(environ, work)], "place since by", as_json=as_json)


def _row(pause: Pause) -> dict[str, object]:
    return {"place": pause.place, "since": instant(pause.at_ms), "by": pause.by}


@click.command()
@click.argument("place", metavar="SERVER|SERVER/HOOK|SERVER/WORKFLOW")
@json_option
@click.pass_obj
def resume(environ: Environ, place: str, as_json: bool) -> None:
    """Have a paused place go on: what waits is handed out and run, oldest first."""

    async def work(operation: Operation) -> Sequence[Pause]:
        still = await operation.operators.pausing.resume(place, operation.servers)
        audit(OPERATOR, "resume", place, "done")
        return still

    still = [each.place for each in operate(environ, work)]
    if as_json:
        print_json({"place": place, "still_paused": still})
    else:
        click.echo(f"{place} goes on." + (f" Still paused: {', '.join(still)}." if still else ""))

"""`check`: what is wrong with server files, in the form that its reader wants."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import click

from bridge.authoring.checking.check import Report, errors, report, with_all_set
from bridge.authoring.checking.formats import FORMATS
from bridge.authoring.checking.history import NOUNS, HistoryCheck
from bridge.authoring.checking.online import compare_online
from bridge.authoring.checking.tokens import Costs
from bridge.cli.operating import Operation, operate
from bridge.cli.options import duration
from bridge.cli.output import print_rows
from bridge.configuration.fields import BUILT_IN_TOOLS
from bridge.configuration.settings import servers_dir_of
from bridge.formats.quantities import seconds

TEXT = "text"
ONLINE = "workflows"
SHOWN = 10
"""So many tools of a server are named in the table of tokens."""


def _some_time(context: click.Context, option: click.Parameter, raw: str | None) -> str | None:
    """Leave a time as it was written, if it is one."""
    return raw if duration(context, option, raw) else None


@click.command("check")
@click.argument("path", required=False, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    default=TEXT,
    show_default=True,
    help="For people, programs, code scanning, or GitHub's annotations.",
)
@click.option(
    "--history",
    metavar="7d",
    callback=_some_time,
    help="Also compare the schemas with what is on record of the last 7d, 12h, …",
)
@click.option(
    "--online",
    "asks_n8n",
    is_flag=True,
    help="Also compare with n8n's webhooks, at BRIDGE_N8N_URL with BRIDGE_N8N_API_KEY.",
)
@click.option(
    "--assume-set", is_flag=True, help="Take variables that are not set for set: CI has no secrets."
)
@click.pass_context
def check_command(
    ctx: click.Context,
    path: Path | None,
    form: str,
    history: str | None,
    *,
    asks_n8n: bool,
    assume_set: bool,
) -> None:
    """Check server files, by default those of BRIDGE_SERVERS."""
    checked = path or servers_dir_of(ctx.obj)
    made = report(checked, with_all_set(checked, ctx.obj) if assume_set else ctx.obj)
    if history:
        made = operate(ctx.obj, lambda operation: _with_history(operation, made, history))
    if asks_n8n:
        made = asyncio.run(_with_n8n(made, ctx.obj))
    for line in FORMATS[form](made):
        click.echo(line, err=form == TEXT)
    if errors(made.findings):
        ctx.exit(1)
    if form == TEXT:
        _show_costs(made.costs)
        _show_compared(made.compared, history)
        if asks_n8n:
            click.echo(f"Compared with n8n's webhooks: {made.compared[ONLINE]} workflows.")
        click.echo("no faults found")


async def _with_history(operation: Operation, made: Report, since: str) -> Report:
    after = await operation.operators.order_at(timedelta(seconds=seconds(since)))
    found = await HistoryCheck(operation.operators, since, after).of(made.files)
    return made.with_more(found.findings, found.compared)


async def _with_n8n(made: Report, environ: Mapping[str, str]) -> Report:
    found = await compare_online(made.files, environ)
    return made.with_more(found.findings, {ONLINE: found.compared})


def _show_compared(compared: Mapping[str, int], since: str | None) -> None:
    if since:
        counted = ", ".join(f"{compared[noun]} {noun}" for noun in NOUNS.values())
        click.echo(f"On record of the last {since}, compared with the schemas: {counted}.")


def _show_costs(costs: Costs) -> None:
    """Print a table of what tools cost, the costliest of each server by name."""
    if not costs.servers:
        return
    rows: list[dict[str, object]] = []
    for cost in costs.servers:
        own, others = cost.workflows[:SHOWN], cost.workflows[SHOWN:]
        named = [
            *own,
            (f"({len(others)} others)", sum(tokens for _, tokens in others)),
            (f"({len(BUILT_IN_TOOLS)} of every server)", cost.built_in),
            ("(all)", cost.tokens),
        ]
        rows += [
            {"server": cost.server, "tool": tool, "tokens": tokens}
            for tool, tokens in named
            if tokens
        ]
    click.echo(_HEADLINE.format(costs.counted_by))
    print_rows(rows, "server tool tokens", as_json=False)


_HEADLINE = (
    "Tokens of the tools' definitions, which Claude reads with every request; counted by {}, for "
    "Claude's own tokenizer is not public: an estimate."
)

"""What the operators' commands have in common: filters, `--json`, and how many were put back."""

import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import click

from bridge.cli.output import print_json
from bridge.errors import RejectedError
from bridge.formats.quantities import seconds
from bridge.verbs.operators import RecordFilter

Command = TypeVar("Command", bound=Callable[..., Any])

LIMIT = 20


def duration(_context: click.Context, _option: click.Parameter, raw: str | None) -> float | None:
    """Read a time such as 2h that an option was given."""
    try:
        return None if raw is None else seconds(raw)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def filters(part: str, statuses: Sequence[str]) -> Callable[[Command], Callable[..., Any]]:
    """Add the options that choose records; `part` is `hook` or `workflow`.

    The command gets them as `chosen`, a RecordFilter, and `since`, in seconds.
    """
    options = (
        click.option("--server", help="Only of this server."),
        click.option(f"--{part}", "part", help=f"Only of this {part}."),
        click.option(
            "--status",
            type=click.Choice([str(status) for status in statuses]),
            help="Only in this status.",
        ),
        click.option("--since", callback=duration, help="Only of the last 30m, 2h, 1d, …"),
    )

    def add(command: Command) -> Callable[..., Any]:
        @functools.wraps(command)
        def choose(
            *args: Any, server: str | None, part: str | None, status: str | None, **given: Any
        ) -> Any:
            return command(*args, chosen=RecordFilter(server, part, status), **given)

        return functools.reduce(lambda made, option: option(made), reversed(options), choose)

    return add


limited = click.option(
    "--limit", type=click.IntRange(1, 10_000), default=LIMIT, show_default=True, help="At most."
)
as_json = click.option("--json", "as_json", is_flag=True, help="A line of JSON a record.")
with_payload = click.option("--payload", is_flag=True, help="With what it carries.")


async def each(
    ids: Sequence[str], act: Callable[[str], Awaitable[dict[str, object]]], *, json_lines: bool
) -> bool:
    """Do something to each record and say how it went; False when one of them was refused."""
    all_done = True
    for one in ids:
        try:
            told = {"id": one, "done": True, **await act(one)}
        except RejectedError as error:
            all_done, told = False, {"id": one, "done": False, "reason": str(error)}
        if json_lines:
            print_json(told)
        else:
            click.echo(f"{one}  {told.get('reason') or told.get('status')}")
    return all_done

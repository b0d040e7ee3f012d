"""The options that the operators' commands have in common: which records, how many, shown how."""

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import click

from bridge.formats.quantities import seconds
from bridge.formats.times import PastMoment, moment
from bridge.verbs.record_filters import SearchTerms

Command = TypeVar("Command", bound=Callable[..., Any])
Option = Callable[[Any], Any]

LIMIT = 20
LIMIT_MAX = 10_000
SEARCH = "Only with this text in id, summary or failure."
SINCE = "Only of the last 30m, 2h, …, or since a moment in UTC."
UNTIL = "Only older than 30m, 2h, …, or than a moment in UTC."


def duration(_context: click.Context, _option: click.Parameter, raw: str | None) -> float | None:
    """Read a time such as 2h that an option was given."""
    try:
        return None if raw is None else seconds(raw)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def past_moment(
    _context: click.Context, _option: click.Parameter, raw: str | None
) -> PastMoment | None:
    """Read how long ago, or when, as an option was given."""
    try:
        return None if raw is None else moment(raw)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def filled(_context: click.Context, _option: click.Parameter, raw: str | None) -> str | None:
    """Refuse an empty text: a variable that is not set would choose every record there is."""
    if raw is not None and not raw.strip():
        raise click.BadParameter("is empty; leave the option away to choose any")
    return raw


def _named(statuses: Sequence[str]) -> click.Choice[str]:
    return click.Choice([str(status) for status in statuses])


def _with(options: Sequence[Option], command: Callable[..., Any]) -> Callable[..., Any]:
    return functools.reduce(lambda made, option: option(made), reversed(options), command)


def choosing(
    part: str, statuses: Sequence[str], principal: str, *, without: Collection[str] = ()
) -> Callable[[Command], Callable[..., Any]]:
    """Add the options that choose records, some left out; `principal` is the help of that one.

    The command gets them as `chosen`, of the class SearchTerms.
    """
    every = _choosing(part, statuses, principal)
    options = [option for name, option in every.items() if name not in without]

    def add(command: Command) -> Callable[..., Any]:
        @functools.wraps(command)
        def choose(*args: Any, **given: Any) -> Any:
            names = [each.name for each in fields(SearchTerms) if each.name in given]
            chosen = SearchTerms(**{name: given.pop(name) for name in names})
            return command(*args, chosen=chosen, **given)

        return _with(options, choose)

    return add


def _choosing(part: str, statuses: Sequence[str], principal: str) -> Mapping[str, Option]:
    """Return the options that choose records by the names of what they choose by."""
    only = functools.partial(click.option, callback=filled)
    status = click.option(
        "--status", "statuses", type=_named(statuses), multiple=True, help="Only in this status."
    )
    return {
        "server": only("--server", help="Only of this server."),
        "part": only(f"--{part}", "part", help=f"Only of this {part}."),
        "statuses": status,
        "principal": only("--principal", help=principal),
        "text": only("--search", "text", help=SEARCH),
        "since": click.option("--since", callback=past_moment, help=SINCE),
        "until": click.option("--until", callback=past_moment, help=UNTIL),
        "bulk": only("--bulk", help="Only what this bulk act was done to."),
    }


@dataclass(frozen=True)
class Shown:
    """How a list is shown: from a cursor on, so many, or only how many there are."""

    limit: int
    cursor: int | None
    counts: bool
    as_json: bool


def listing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how a list is shown; the command gets them as `shown`."""
    counts = click.option(
        "--count", "counts", is_flag=True, help="Only how many there are, by status."
    )
    return paging(counts(command))


def paging(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add those of lists that cannot be counted."""

    @functools.wraps(command)
    def show(
        *args: Any,
        limit: int,
        cursor: int | None,
        as_json: bool,
        counts: bool = False,
        **given: Any,
    ) -> Any:
        return command(*args, shown=Shown(limit, cursor, counts, as_json), **given)

    options = [
        click.option(
            "--limit",
            type=click.IntRange(1, LIMIT_MAX),
            default=LIMIT,
            show_default=True,
            help="At most.",
        ),
        click.option("--cursor", type=click.IntRange(1), help="Go on where a list ended."),
        as_json,
    ]
    return _with(options, show)


as_json = click.option("--json", "as_json", is_flag=True, help="A line of JSON a record.")
with_payload = click.option("--payload", is_flag=True, help="With what it carries.")


@dataclass(frozen=True)
class Acting:
    """How something is done to many at once: to so many at most, or only said, or unasked."""

    limit: int | None
    is_dry: bool
    is_sure: bool
    as_json: bool


def acting(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of what is done to many at once; the command gets them as `how`."""

    @functools.wraps(command)
    def act(
        *args: Any, limit: int | None, dry_run: bool, sure: bool, as_json: bool, **given: Any
    ) -> Any:
        return command(*args, how=Acting(limit, dry_run, sure, as_json), **given)

    options = [
        click.option("--limit", type=click.IntRange(1), help="At most so many, the newest."),
        click.option("--dry-run", is_flag=True, help="Only show which it would be."),
        click.option("--yes", "sure", is_flag=True, help="Do not ask on a terminal."),
        as_json,
    ]
    return _with(options, act)


def demand_one_way(ids: Sequence[str], how: Acting, *, is_chosen: bool, kind: str) -> None:
    """Refuse a command that neither names records nor chooses them, or does both.

    Raises:
        UsageError: naming both ways.
    """
    if bool(ids) == is_chosen:
        raise click.UsageError(f"name {kind}, or choose them by --server, --status, --since, …")
    if ids and (how.limit or how.is_dry):
        raise click.UsageError("--limit and --dry-run are for records that are chosen, not named")

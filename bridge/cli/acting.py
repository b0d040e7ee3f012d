"""What the operators' commands do to records: to those named, or to all chosen as one bulk act."""

import asyncio
import math
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import click

from bridge.cli.listing import Listed, wanted_of
from bridge.cli.operating import Operation, operate
from bridge.cli.options import LIMIT_MAX, Acting, demand_one_way
from bridge.cli.output import Row, print_json, print_record, print_rows
from bridge.errors import RejectedError
from bridge.log import OPERATOR, audit
from bridge.verbs.bulk_records import POSSIBLE, ActKind, Became, Bulk, BulkStatus
from bridge.verbs.bulks import MOST
from bridge.verbs.record_filters import SearchTerms

Environ = Mapping[str, str]
Act = Callable[[Operation, str], Awaitable[dict[str, object]]]
CHANGED = "left alone: it is not as it was chosen any more"


@dataclass(frozen=True)
class Wish:
    """What is to be done to records of one kind."""

    listed: Listed
    act: ActKind

    @property
    def name(self) -> str:
        """The command that asks for it."""
        return f"{self.listed.kind} {self.act}"


def act_on(
    environ: Environ, wish: Wish, ids: Sequence[str], one: Act, chosen: SearchTerms, how: Acting
) -> None:
    """Act on the records of these ids one by one, or on all that are chosen.

    Raises:
        UsageError: neither is named, or both.
        SystemExit: one was refused.
    """
    demand_one_way(ids, how, is_chosen=chosen != SearchTerms(), kind=wish.listed.kind)
    if ids:
        act_on_named(environ, wish.name, ids, one, as_json=how.as_json)
    else:
        act_on_chosen(environ, wish, chosen, how)


def run_again(
    environ: Environ,
    listed: Listed,
    record_id: str | None,
    one: Callable[[Operation, str], Awaitable[tuple[str, Row]]],
    chosen: SearchTerms,
    how: Acting,
) -> None:
    """Run the record of this id again, or all that are chosen.

    Raises:
        UsageError: neither is named, or both.
        SystemExit: one was refused.
    """
    wish, ids = Wish(listed, ActKind.RUN_AGAIN), (record_id,) if record_id else ()
    is_chosen = chosen != SearchTerms()
    demand_one_way(ids, how, is_chosen=is_chosen, kind=f"one of the {listed.kind}")
    if record_id is None:
        act_on_chosen(environ, wish, chosen, how)
        return
    named = record_id

    async def work(operation: Operation) -> Row:
        new_id, row = await one(operation, named)
        audit(OPERATOR, wish.name, named, new_id)
        return row

    print_record(operate(environ, work), as_json=how.as_json)


def act_on_named(
    environ: Environ, command: str, ids: Sequence[str], act: Act, *, as_json: bool
) -> None:
    """Act on the records of these ids, with a line in the audit for each.

    Raises:
        SystemExit: one was refused.
    """

    async def work(operation: Operation) -> bool:
        is_well = True
        for one in ids:
            try:
                told: Row = {"id": one, "done": True, **await act(operation, one)}
                audit(OPERATOR, command, one, "done")
            except RejectedError as error:
                told, is_well = {"id": one, "done": False, "reason": str(error)}, False
            _print_one(told, as_json=as_json)
        return is_well

    if not operate(environ, work):
        raise SystemExit(1)


def act_on_chosen(environ: Environ, wish: Wish, chosen: SearchTerms, how: Acting) -> None:
    """Act on every record that is chosen, the oldest first, as one bulk act.

    They are all written down before the first of them is changed. This process does it; should it
    die, a worker goes on, and Ctrl-C stops it.

    Raises:
        SystemExit: one was refused.
    """

    async def work(operation: Operation) -> bool:
        kind = wish.listed.kind
        statuses = chosen.statuses or tuple(map(str, POSSIBLE[kind, wish.act]))
        those = replace(chosen, statuses=statuses)
        if how.is_dry:
            await _rehearse(operation, wish, those, how)
            return True
        wanted = await wanted_of(operation, those)
        most = how.limit or MOST
        bulk = await operation.bulks.count(kind, wish.act, wanted, OPERATOR, most)
        if not how.is_sure and sys.stdin.isatty():
            click.confirm(f"{bulk.name}: {bulk.count} records. Go on?", abort=True, err=True)
        ended = await _run(operation, bulk, as_json=how.as_json)
        _tell_of_end(ended, as_json=how.as_json)
        return not ended.refused

    if not operate(environ, work):
        raise SystemExit(1)


async def _run(operation: Operation, bulk: Bulk, *, as_json: bool) -> Bulk:
    bulks = operation.bulks
    await bulks.confirm(bulk.bulk_id, bulk.count, OPERATOR, is_run_here=True)
    try:
        with _showing(bulk, as_json=as_json) as hear:
            await bulks.run(bulk.bulk_id, hear, math.inf)
    except asyncio.CancelledError:
        await bulks.stop(bulk.bulk_id, OPERATOR)
        raise
    return await bulks.read(bulk.bulk_id)


@contextmanager
def _showing(bulk: Bulk, *, as_json: bool) -> Iterator[Callable[[Became], None]]:
    """Show what becomes of each record: how far it is to people, a line each to programs."""
    if as_json or not sys.stderr.isatty():
        yield lambda became: _print_one(_row(became), as_json=as_json)
        return
    with click.progressbar(length=bulk.count, label=bulk.name, file=sys.stderr) as bar:
        yield lambda _became: bar.update(1)


def _row(became: Became) -> dict[str, object]:
    if became.outcome == "done":
        return {"id": became.record_id, "done": True, "status": "done"}
    return {"id": became.record_id, "done": False, "reason": became.why or CHANGED}


def _print_one(told: Row, *, as_json: bool) -> None:
    if as_json:
        print_json(told)
    else:
        click.echo(f"{told['id']}  {told.get('reason') or told.get('status')}")


def _tell_of_end(bulk: Bulk, *, as_json: bool) -> None:
    if as_json:
        counts = {"done_count": bulk.done, "changed_count": bulk.changed}
        said = {"bulk_id": bulk.bulk_id, "status": bulk.status, "refused_count": bulk.refused}
        print_json(said | counts, err=True)
        return
    counted = {"refused": bulk.refused, "left alone": bulk.changed, "left": bulk.left}
    rest = "".join(f", {count} {what}" for what, count in counted.items() if count)
    on = "" if bulk.status is BulkStatus.DONE else "; a worker goes on with it"
    see = f"n8n-bridge {bulk.kind} ls --bulk {bulk.bulk_id}"
    click.echo(f"{bulk.name}: {bulk.done} done{rest}{on}; `{see}` lists those", err=True)
    if sys.stderr.isatty():
        for record_id, why in bulk.reasons:
            click.echo(f"{record_id}  {why}", err=True)


async def _rehearse(operation: Operation, wish: Wish, chosen: SearchTerms, how: Acting) -> None:
    """Print the records that would be acted on, and change nothing."""
    wanted = await wanted_of(operation, chosen)
    listed, left, count = wish.listed, how.limit or MOST, 0
    while left > 0:
        page = await listed.find(operation, wanted, min(left, LIMIT_MAX))
        rows = [listed.row(record) for record in page.rows]
        print_rows(rows, listed.columns, as_json=how.as_json, has_head=not count)
        count, left = count + len(rows), left - len(rows)
        if page.cursor is None:
            break
        wanted = replace(wanted, before=page.cursor)
    if how.as_json:
        print_json({"would_do": wish.name, "count": count}, err=True)
    else:
        click.echo(f"{wish.name}: {count} would be done; nothing was changed", err=True)

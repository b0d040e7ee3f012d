"""What the operators' commands do with many records: list and count them, and act on all chosen."""

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import click

from bridge.cli.operating import Operation, operate
from bridge.cli.options import LIMIT_MAX, Bulk, Chosen, Shown
from bridge.cli.output import Row, print_json, print_rows
from bridge.errors import RejectedError
from bridge.formats.times import PastMoment
from bridge.log import OPERATOR, audit
from bridge.models import instant
from bridge.verbs.records import RecordKind, RecordPage, Records, RecordSearch

WITHIN_S = 30.0
"""For how long one command looks for records before it says how far it came."""

Environ = Mapping[str, str]
Search = Callable[[Records, RecordSearch, int, float], Awaitable[RecordPage[Any]]]
Act = Callable[[Operation, str], Awaitable[dict[str, object]]]


@dataclass(frozen=True)
class Listed:
    """One kind of record as commands show it: how it is found, and what of it is shown."""

    kind: RecordKind
    search: Search
    row: Callable[[Any], dict[str, object]]
    columns: str
    id_of: str

    def show(self, environ: Environ, chosen: Chosen, shown: Shown) -> None:
        """Print the newest records that are chosen, or how many there are."""

        async def work(operation: Operation) -> None:
            wanted = await _wanted(operation, chosen, shown.cursor)
            if shown.counts:
                await self._count(operation, wanted, as_json=shown.as_json)
                return
            page = await self.search(operation.records, wanted, shown.limit, WITHIN_S)
            rows = [self.row(record) for record in page.rows]
            print_rows(rows, self.columns, as_json=shown.as_json)
            _tell_of_more(page.cursor, is_cut=page.is_cut, as_json=shown.as_json)

        operate(environ, work)

    async def _count(self, operation: Operation, wanted: RecordSearch, *, as_json: bool) -> None:
        counts = await operation.records.count(self.kind, wanted, WITHIN_S)
        row = {"total": counts.total, **dict(sorted(counts.by_status.items()))}
        if as_json:
            print_json(row)
        else:
            click.echo("  ".join(f"{name} {count}" for name, count in row.items()))
        _tell_of_more(counts.cursor, is_cut=counts.cursor is not None, as_json=as_json)

    def act_on_chosen(
        self, environ: Environ, command: str, chosen: Chosen, act: Act, bulk: Bulk
    ) -> None:
        """Act on every record that is chosen, the oldest first, with one line in the audit.

        They are all named before the first of them is changed.
        """

        async def work(operation: Operation) -> bool:
            ids: list[str] = []
            async for rows in self._chosen(operation, chosen, bulk.limit):
                if bulk.is_dry:
                    print_rows(rows, self.columns, as_json=bulk.as_json, has_head=not ids)
                ids += [str(row[self.id_of]) for row in rows]
            if bulk.is_dry:
                _tell_rehearsed(command, len(ids), as_json=bulk.as_json)
                return True
            tally = BulkTally()
            try:
                await _each(ids[::-1], lambda one: act(operation, one), tally, bulk.as_json)
            finally:
                outcome = "done" if tally.done + tally.refused == len(ids) else "interrupted"
                counts = {"done_count": tally.done, "refused_count": tally.refused}
                audit(OPERATOR, command, str(chosen), outcome, **counts)
            return not tally.refused

        if not operate(environ, work):
            raise SystemExit(1)

    async def _chosen(
        self, operation: Operation, chosen: Chosen, limit: int | None
    ) -> AsyncIterator[list[dict[str, object]]]:
        """Yield the rows of all that is chosen, newest first, at most LIMIT_MAX at a time."""
        wanted = await _wanted(operation, chosen, None)
        left = math.inf if limit is None else limit
        while left > 0:
            page = await self.search(operation.records, wanted, int(min(left, LIMIT_MAX)), WITHIN_S)
            yield [self.row(record) for record in page.rows]
            if page.cursor is None:
                break
            left -= len(page.rows)
            wanted = replace(wanted, before=page.cursor)


@dataclass
class BulkTally:
    """How many acts were done, and how many refused."""

    done: int = 0
    refused: int = 0


def act_on_named(
    environ: Environ, command: str, ids: Sequence[str], act: Act, *, as_json: bool
) -> None:
    """Act on the records of these ids, with a line in the audit for each."""

    async def work(operation: Operation) -> bool:
        async def audited(one: str) -> dict[str, object]:
            told = await act(operation, one)
            audit(OPERATOR, command, one, "done")
            return told

        tally = BulkTally()
        await _each(ids, audited, tally, as_json)
        return not tally.refused

    if not operate(environ, work):
        raise SystemExit(1)


async def _each(
    ids: Sequence[str],
    act: Callable[[str], Awaitable[dict[str, object]]],
    tally: BulkTally,
    as_json: bool,
) -> None:
    """Do something to each record and print how it went."""
    for one in ids:
        try:
            told: Row = {"id": one, "done": True, **await act(one)}
            tally.done += 1
        except RejectedError as error:
            told = {"id": one, "done": False, "reason": str(error)}
            tally.refused += 1
        if as_json:
            print_json(told)
        else:
            click.echo(f"{one}  {told.get('reason') or told.get('status')}")


async def _wanted(operation: Operation, chosen: Chosen, cursor: int | None) -> RecordSearch:
    since, until = (
        await _order_at(operation, chosen.since),
        await _order_at(operation, chosen.until),
    )
    if since is not None and until is not None and until <= since:
        raise click.UsageError("nothing is newer than --since and older than --until")
    bounds = [bound for bound in (until, cursor) if bound is not None]
    return RecordSearch(
        server=chosen.server,
        part=chosen.part,
        statuses=chosen.statuses,
        principal=chosen.principal,
        text=chosen.text or "",
        since=since or 0,
        before=min(bounds, default=None),
    )


async def _order_at(operation: Operation, when: PastMoment | None) -> int | None:
    return None if when is None else await operation.operators.order_at(when)


def _tell_rehearsed(command: str, count: int, *, as_json: bool) -> None:
    if as_json:
        print_json({"would_do": command, "count": count}, err=True)
    else:
        click.echo(f"{command}: {count} would be done; nothing was changed", err=True)


def _tell_of_more(cursor: int | None, *, is_cut: bool, as_json: bool) -> None:
    """Report on stderr where the list goes on, and how far a search came that took too long."""
    if cursor is None:
        return
    if as_json:
        print_json({"next_cursor": cursor, "is_cut": is_cut}, err=True)
    else:
        far = f"looked back to {instant(cursor // 1000)}, " if is_cut else ""
        click.echo(f"{far}more with --cursor {cursor}", err=True)

"""How the operators' commands list records, and count them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import click

from bridge.cli.operating import Operation, operate
from bridge.cli.options import Chosen, Shown
from bridge.cli.output import print_json, print_rows
from bridge.formats.times import PastMoment
from bridge.models import instant
from bridge.verbs.record_search import RecordKind, RecordPage, RecordSearch, SearchBudget
from bridge.verbs.records import Records

PATIENCE = SearchBudget(30.0)
"""For how long one command looks for records before it says how far it came."""

Environ = Mapping[str, str]
Search = Callable[[Records, RecordSearch, int, SearchBudget], Awaitable[RecordPage[Any]]]


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
            wanted = await wanted_of(operation, chosen, shown.cursor)
            if shown.counts:
                await self._count(operation, wanted, as_json=shown.as_json)
                return
            page = await self.find(operation, wanted, shown.limit)
            rows = [self.row(record) for record in page.rows]
            print_rows(rows, self.columns, as_json=shown.as_json)
            _tell_of_more(page.cursor, is_cut=page.is_cut, as_json=shown.as_json)

        operate(environ, work)

    async def _count(self, operation: Operation, wanted: RecordSearch, *, as_json: bool) -> None:
        counts = await operation.records.count(self.kind, wanted, PATIENCE)
        row = {"total": counts.total, **dict(sorted(counts.by_status.items()))}
        if as_json:
            print_json(row)
        else:
            click.echo("  ".join(f"{name} {count}" for name, count in row.items()))
        _tell_of_more(counts.cursor, is_cut=counts.cursor is not None, as_json=as_json)

    async def find(self, operation: Operation, wanted: RecordSearch, limit: int) -> RecordPage[Any]:
        """Return a page of the records that are wanted."""
        return await self.search(operation.records, wanted, limit, PATIENCE)


async def wanted_of(operation: Operation, chosen: Chosen, cursor: int | None) -> RecordSearch:
    """Return which records the options of a command choose, behind a cursor."""
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
        bulk=chosen.bulk,
    )


async def _order_at(operation: Operation, when: PastMoment | None) -> int | None:
    return None if when is None else await operation.operators.order_at(when)


def _tell_of_more(cursor: int | None, *, is_cut: bool, as_json: bool) -> None:
    """Report on stderr where the list goes on, and how far a search came that took too long."""
    if cursor is None:
        return
    if as_json:
        print_json({"next_cursor": cursor, "is_cut": is_cut}, err=True)
    else:
        far = f"looked back to {instant(cursor // 1000)}, " if is_cut else ""
        click.echo(f"{far}more with --cursor {cursor}", err=True)

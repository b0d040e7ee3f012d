"""How the operators' commands list records, and count them."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import click

from bridge.cli.operating import Operation, operate
from bridge.cli.options import LIMIT_MAX, Shown
from bridge.cli.output import print_json, print_rows
from bridge.errors import MalformedError
from bridge.models import instant
from bridge.verbs.record_filters import SearchTerms
from bridge.verbs.record_search import USUAL, RecordKind, RecordPage, RecordSearch, SearchBudget
from bridge.verbs.records import Records

PATIENCE = SearchBudget(30.0)
"""For how long one command looks for records before it says how far it came."""

LOOK_AGAIN_S = 0.5
LOOKED_SHARE = 0.1
"""How much of its time Redis may spend on looking for what is new."""

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

    def show(self, environ: Environ, chosen: SearchTerms, shown: Shown) -> None:
        """Print the newest records that are chosen, or how many there are."""

        async def work(operation: Operation) -> None:
            wanted = await wanted_of(operation, chosen, shown.cursor)
            if shown.counts:
                await self._count(operation, wanted, as_json=shown.as_json)
                return
            page = await self.find(operation, wanted, shown.limit)
            rows = [self.row(record) for record in page.rows]
            print_rows(rows, self.columns, as_json=shown.as_json)
            tell_of_more(page.cursor, is_cut=page.is_cut, as_json=shown.as_json)

        operate(environ, work)

    def follow(self, environ: Environ, chosen: SearchTerms, *, as_json: bool) -> None:
        """Print the records that are chosen as they come, until Ctrl-C."""

        async def work(operation: Operation) -> None:
            newer = replace(chosen, since=chosen.since or timedelta())
            wanted, is_first = await wanted_of(operation, newer), True
            await operation.records.demand_names(self.kind, wanted)
            stop = asyncio.Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
            while not stop.is_set():
                began_at = time.monotonic()
                page = await self.search(operation.records, wanted, LIMIT_MAX, USUAL)
                if page.rows:
                    rows = [self.row(record) for record in reversed(page.rows)]
                    print_rows(rows, self.columns, as_json=as_json, has_head=is_first)
                    tell_of_more(page.cursor, is_cut=page.is_cut, as_json=as_json)
                    wanted, is_first = replace(wanted, since=page.rows[0].order + 1), False
                pause_s = max(LOOK_AGAIN_S, (time.monotonic() - began_at) / LOOKED_SHARE)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), pause_s)

        operate(environ, work)

    async def _count(self, operation: Operation, wanted: RecordSearch, *, as_json: bool) -> None:
        counts = await operation.records.count(self.kind, wanted, PATIENCE)
        row = {"total": counts.total, **dict(sorted(counts.by_status.items()))}
        if as_json:
            print_json(row)
        else:
            click.echo("  ".join(f"{name} {count}" for name, count in row.items()))
        tell_of_more(counts.cursor, is_cut=counts.cursor is not None, as_json=as_json)

    async def find(self, operation: Operation, wanted: RecordSearch, limit: int) -> RecordPage[Any]:
        """Return a page of the records that are wanted."""
        return await self.search(operation.records, wanted, limit, PATIENCE)


async def wanted_of(
    operation: Operation, chosen: SearchTerms, cursor: int | None = None
) -> RecordSearch:
    """Return which records the options of a command choose, behind a cursor.

    Raises:
        UsageError: they can choose none.
    """
    try:
        return await chosen.search(operation.operators, cursor)
    except MalformedError as error:
        raise click.UsageError("nothing is newer than --since and older than --until") from error


def tell_of_more(cursor: int | None, *, is_cut: bool, as_json: bool) -> None:
    """Report on stderr where the list goes on, and how far a search came that took too long."""
    if cursor is None:
        return
    if as_json:
        print_json({"next_cursor": cursor, "is_cut": is_cut}, err=True)
    else:
        far = f"looked back to {instant(cursor // 1000)}, " if is_cut else ""
        click.echo(f"{far}more with --cursor {cursor}", err=True)

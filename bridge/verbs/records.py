"""Records as operators look for them: events, calls and replies, newest first or counted."""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from typing import Generic, TypeVar

from bridge.configuration.servers import Server
from bridge.errors import MalformedError, NotFoundError
from bridge.formats.json_text import encode, spell
from bridge.models import (
    Call,
    CallStatus,
    Event,
    EventStatus,
    Principal,
    ReplyStatus,
    SubscriptionStatus,
)
from bridge.store.operators import OperatorStore
from bridge.store.searching import (
    CountedRecords,
    ListedSubscription,
    SearchStore,
    WantedCalls,
    WantedEvents,
    WantedSubscriptions,
)

Found = TypeVar("Found")

STEP_ROWS = 1000
"""So many records are read in one step at most."""
ANSWERED = (EventStatus.ANSWERED, EventStatus.EXPIRED, EventStatus.DEAD)
"""Where an event may stand that has a reply: also a default one."""
ALONE = (
    "what a bulk act was done to is narrowed by status, time and text, not by place or principal"
)
REPLIED = (ReplyStatus.PENDING, ReplyStatus.DELIVERED, ReplyStatus.DEAD)


@dataclass(frozen=True)
class SearchBudget:
    """For how long a search looks on before it returns what it has found, and in how many steps."""

    within_s: float = 2.0
    steps: int | None = None


USUAL = SearchBudget()


class RecordKind(StrEnum):
    """What there are records of."""

    EVENTS = "events"
    CALLS = "calls"
    REPLIES = "replies"


@dataclass(frozen=True)
class RecordSearch:
    """Which records are looked for; what is None or empty stands for any.

    `part` is a workflow for calls, else a hook. `principal` made the call, or took the event last.
    `text` is part of an id or the summary, letters of ASCII small or capital. Order numbers bound
    the time: `since` is the least, `before` is above the greatest, and a page's cursor. `bulk` is
    the id of a bulk act that was done to them. With `ids_alone` the text is looked for in ids, not
    in what is of payloads.
    """

    server: str | None = None
    part: str | None = None
    statuses: Sequence[str] = ()
    principal: str | None = None
    text: str = ""
    since: int = 0
    before: int | None = None
    bulk: str | None = None
    ids_alone: bool = False

    @property
    def texts(self) -> tuple[str, ...]:
        """The text as people write it, and as it may stand in the JSON of a summary; or none."""
        in_json = (spell(self.text), encode(self.text).decode())
        every = (self.text, *(each[1:-1] for each in in_json))
        return tuple(dict.fromkeys(every)) if self.text else ()


@dataclass(frozen=True)
class RecordPage(Generic[Found]):
    """Records, newest first; `cursor` is where the next page begins.

    It is None once every record has been looked at, which a search has also done that found
    nothing. `is_cut` says that the budget was spent before the page was full, and `left` how many
    records were not looked at then, where that is known.
    """

    rows: list[Found]
    cursor: int | None
    is_cut: bool
    left: int | None = None


@dataclass(frozen=True)
class Counts:
    """How many records there are by status; `cursor` as in a page, None for a whole count."""

    by_status: dict[str, int] = field(hash=False)
    cursor: int | None

    @property
    def total(self) -> int:
        """How many there are in all."""
        return sum(self.by_status.values())


class Records:
    """Looks for records on behalf of operators, whomever the records belong to."""

    def __init__(
        self, store: SearchStore, operators: OperatorStore, servers: Mapping[str, Server]
    ) -> None:
        self._store = store
        self._operators = operators
        self._servers = servers

    async def events(
        self, wanted: RecordSearch, limit: int, budget: SearchBudget = USUAL
    ) -> RecordPage[Event]:
        """Return the newest events that are wanted, without payloads and answers.

        Raises:
            NotFoundError: there is no such server, hook or principal; names those there are.
        """
        return await self._demanded_page(RecordKind.EVENTS, wanted, limit, budget)

    async def replies(
        self, wanted: RecordSearch, limit: int, budget: SearchBudget = USUAL
    ) -> RecordPage[Event]:
        """Return the newest events that have a reply that is wanted, likewise."""
        return await self._demanded_page(RecordKind.REPLIES, wanted, limit, budget)

    async def calls(
        self, wanted: RecordSearch, limit: int, budget: SearchBudget = USUAL
    ) -> RecordPage[Call]:
        """Return the newest calls that are wanted, without arguments and results.

        Raises:
            NotFoundError: there is no such server, workflow or principal; names those there are.
        """
        page = await self._call_page(wanted, limit, budget)
        if not page.rows and page.cursor is None:
            await self.demand_names(RecordKind.CALLS, wanted, budget)
        return page

    async def subscriptions(
        self, wanted: RecordSearch, limit: int, budget: SearchBudget = USUAL
    ) -> RecordPage[ListedSubscription]:
        """Return the newest webhook subscriptions that are wanted.

        Raises:
            NotFoundError: there is no such server or hook; names those there are.
        """
        asked = WantedSubscriptions(
            server=wanted.server or "",
            hook=wanted.part or "",
            principal=wanted.principal or "",
            statuses=[SubscriptionStatus(status) for status in wanted.statuses],
            text=wanted.text,
            since=wanted.since,
        )

        async def look(
            before: int | None, most: int
        ) -> tuple[list[ListedSubscription], int | None]:
            found = await self._store.subscriptions(asked, before, most)
            return found.rows, found.next

        page = await _page(look, wanted.before, limit, budget)
        if not page.rows and page.cursor is None:
            await self.demand_names(RecordKind.EVENTS, replace(wanted, principal=None), budget)
        return page

    async def count(
        self, kind: RecordKind, wanted: RecordSearch, budget: SearchBudget = USUAL
    ) -> Counts:
        """Count the records that are wanted, by the status that `kind` has.

        Raises:
            NotFoundError: as for the records themselves.
        """
        if kind is RecordKind.CALLS:
            calls = await self._wanted_calls(wanted)
            counts = await _counts(
                lambda before: self._store.count_calls(calls, before), wanted.before, budget
            )
        else:
            events = await self._wanted_events(kind, wanted)
            counts = await _counts(
                lambda before: self._store.count_events(events, before), wanted.before, budget
            )
        if not counts.total and counts.cursor is None:
            await self.demand_names(kind, wanted, budget)
        return counts

    async def demand_names(
        self, kind: RecordKind, wanted: RecordSearch, budget: SearchBudget = USUAL
    ) -> None:
        """Refuse names that neither a server file nor a record has.

        Raises:
            NotFoundError: naming those there are.
        """
        if wanted.bulk and await self._operators.bulks.read(wanted.bulk) is None:
            raise NotFoundError(
                f"there is no bulk act {wanted.bulk}, or no more: they are kept 7 days"
            )
        known = await self._known(kind)
        servers = {server for server, _ in known}
        if wanted.server not in {None, *servers}:
            raise _unknown("server", wanted.server, servers)
        parts = {part for server, part in known if part and wanted.server in (None, server)}
        one = RecordSearch(server=wanted.server, part=wanted.part)
        if wanted.part not in {None, *parts} and not await self._is_on_record(kind, one, budget):
            what = "workflow" if kind is RecordKind.CALLS else "hook"
            raise _unknown(what, wanted.part, parts)
        names = await self._principals(wanted.server)
        one = RecordSearch(server=wanted.server, principal=wanted.principal)
        is_known = wanted.principal in {None, *names}
        if not is_known and not await self._is_on_record(kind, one, budget):
            raise _unknown("principal", wanted.principal, names)

    async def _is_on_record(
        self, kind: RecordKind, wanted: RecordSearch, budget: SearchBudget
    ) -> bool:
        """Report whether any record is wanted; a search that takes too long may find one yet."""
        page: RecordPage[Event] | RecordPage[Call]
        if kind is RecordKind.CALLS:
            page = await self._call_page(wanted, 1, budget)
        else:
            page = await self._event_page(RecordKind.EVENTS, wanted, 1, budget)
        return bool(page.rows) or page.is_cut

    async def _demanded_page(
        self, kind: RecordKind, wanted: RecordSearch, limit: int, budget: SearchBudget
    ) -> RecordPage[Event]:
        page = await self._event_page(kind, wanted, limit, budget)
        if not page.rows and page.cursor is None:
            await self.demand_names(kind, wanted, budget)
        return page

    async def _call_page(
        self, wanted: RecordSearch, limit: int, budget: SearchBudget
    ) -> RecordPage[Call]:
        asked = await self._wanted_calls(wanted)

        async def look(before: int | None, most: int) -> tuple[list[Call], int | None]:
            found = await self._store.calls(asked, before, most)
            return [row.call() for row in found.rows], found.next

        left = partial(self._store.left_calls, asked)
        return await _page(look, wanted.before, limit, budget, left)

    async def _event_page(
        self, kind: RecordKind, wanted: RecordSearch, limit: int, budget: SearchBudget
    ) -> RecordPage[Event]:
        asked = await self._wanted_events(kind, wanted)

        async def look(before: int | None, most: int) -> tuple[list[Event], int | None]:
            found = await self._store.events(asked, before, most)
            return [row.event() for row in found.rows], found.next

        left = partial(self._store.left_events, asked)
        return await _page(look, wanted.before, limit, budget, left)

    async def wanted(self, kind: RecordKind, wanted: RecordSearch) -> WantedEvents | WantedCalls:
        """Return where records are looked for that are wanted.

        Raises:
            MalformedError: a place is named beside a bulk act.
        """
        if kind is RecordKind.CALLS:
            return await self._wanted_calls(wanted)
        return await self._wanted_events(kind, wanted)

    async def _wanted_events(self, kind: RecordKind, wanted: RecordSearch) -> WantedEvents:
        of_replies, is_placed = kind is RecordKind.REPLIES, _is_placed(wanted)
        return WantedEvents(
            places=[
                (server, hook)
                for server, hook in (await self._operators.hooks() if is_placed else ())
                if wanted.server in (None, server) and wanted.part in (None, hook)
            ],
            among=ANSWERED if of_replies else wanted.statuses or tuple(EventStatus),
            among_replies=(wanted.statuses or REPLIED) if of_replies else (),
            principal=wanted.principal or "",
            texts=wanted.texts,
            since=wanted.since,
            bulk=wanted.bulk or "",
            ids_alone=wanted.ids_alone,
        )

    async def _wanted_calls(self, wanted: RecordSearch) -> WantedCalls:
        callers = await self._operators.callers() if _is_placed(wanted) else ()
        servers = {caller.server for caller in callers}
        return WantedCalls(
            of_servers=sorted(s for s in servers if wanted.server in (None, s)),
            among=wanted.statuses or tuple(CallStatus),
            principal=wanted.principal or "",
            workflow=wanted.part or "",
            texts=wanted.texts,
            since=wanted.since,
            bulk=wanted.bulk or "",
            ids_alone=wanted.ids_alone,
        )

    async def _known(self, kind: RecordKind) -> set[tuple[str, str]]:
        """Return each (server, hook or workflow) there is; a server has one without a name too."""
        is_of_calls = kind is RecordKind.CALLS
        hooks, workflows = await self._operators.hooks(), await self._operators.workflows()
        servers = {server for server, _ in (*hooks, *workflows)} | set(self._servers)
        servers |= {caller.server for caller in await self._operators.callers()}
        in_files = {
            (name, part)
            for name, server in self._servers.items()
            for part in (server.workflows if is_of_calls else server.hooks)
        }
        return (
            {(server, "") for server in servers}
            | in_files
            | set(workflows if is_of_calls else hooks)
        )

    async def _principals(self, server: str | None) -> set[str]:
        """Return the names of all tokens, and of all who have calls on record."""
        in_files = (
            Principal(name, token.name)
            for name, each in self._servers.items()
            for token in each.tokens
        )
        made = (token.principal for token in await self._operators.tokens.list())
        every = (*in_files, *made, *await self._operators.callers())
        return {each.name for each in every if server in (None, each.server)}


def _is_placed(wanted: RecordSearch) -> bool:
    """Report whether records are looked for where they are, and not in the list of a bulk act."""
    if wanted.bulk and (wanted.server or wanted.part or wanted.principal):
        raise MalformedError(ALONE)
    return wanted.bulk is None


def _unknown(what: str, name: str | None, known: Iterable[str]) -> NotFoundError:
    there = ", ".join(sorted(known)) or "none"
    return NotFoundError(f"there is no {what} {name}; there are: {there}")


async def _page(
    look: Callable[[int | None, int], Awaitable[tuple[Sequence[Found], int | None]]],
    before: int | None,
    limit: int,
    budget: SearchBudget,
    left: Callable[[int], Awaitable[int]] | None = None,
) -> RecordPage[Found]:
    """Look on until the page is full, the budget is spent, or nothing is left to be looked at.

    `left` counts what a page that was cut has not looked at yet.
    """
    rows: list[Found] = []
    until = time.monotonic() + budget.within_s
    steps = 0
    while True:
        found, before = await look(before, min(limit - len(rows), STEP_ROWS))
        rows, steps = [*rows, *found], steps + 1
        is_full = len(rows) >= limit
        is_spent = steps == budget.steps or time.monotonic() >= until
        if is_full or is_spent or before is None:
            break
    if before is None or is_full:
        return RecordPage(rows, before, is_cut=False)
    return RecordPage(rows, before, is_cut=True, left=await left(before) if left else None)


async def _counts(
    look: Callable[[int | None], Awaitable[CountedRecords]],
    before: int | None,
    budget: SearchBudget,
) -> Counts:
    by_status: dict[str, int] = {}
    until = time.monotonic() + budget.within_s
    while True:
        counted, before = await look(before)
        for status, count in counted.items():
            by_status[status] = by_status.get(status, 0) + count
        if before is None or time.monotonic() >= until:
            return Counts(by_status, before)

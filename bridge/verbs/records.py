"""Records as operators look for them: events, calls and replies, newest first or counted."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from bridge.configuration.servers import Server
from bridge.errors import MalformedError
from bridge.models import Call, CallStatus, Event, EventStatus, SubscriptionStatus
from bridge.store.operators import OperatorStore
from bridge.store.searching import (
    ListedSubscription,
    SearchStore,
    WantedCalls,
    WantedEvents,
    WantedSubscriptions,
)
from bridge.verbs.record_names import RecordNames
from bridge.verbs.record_search import (
    REPLIED,
    USUAL,
    Counts,
    RecordKind,
    RecordPage,
    RecordSearch,
    SearchBudget,
    counts_of,
    page_of,
)

ANSWERED = (EventStatus.ANSWERED, EventStatus.EXPIRED, EventStatus.DEAD)
"""Where an event may stand that has a reply: also a default one."""
ALONE = (
    "what a bulk act was done to is narrowed by status, time and text, not by place or principal"
)


class Records:
    """Looks for records on behalf of operators, whomever the records belong to."""

    def __init__(
        self, store: SearchStore, operators: OperatorStore, servers: Mapping[str, Server]
    ) -> None:
        self._store = store
        self._operators = operators
        self._servers = servers
        self._names = RecordNames(operators, servers)

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

        page = await page_of(look, wanted.before, limit, budget)
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
            counts = await counts_of(
                lambda before: self._store.count_calls(calls, before), wanted.before, budget
            )
        else:
            events = await self._wanted_events(kind, wanted)
            counts = await counts_of(
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
        await self._names.demand(kind, wanted, partial(self._is_on_record, kind, budget))

    async def _is_on_record(
        self, kind: RecordKind, budget: SearchBudget, wanted: RecordSearch
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
        return await page_of(look, wanted.before, limit, budget, left)

    async def _event_page(
        self, kind: RecordKind, wanted: RecordSearch, limit: int, budget: SearchBudget
    ) -> RecordPage[Event]:
        asked = await self._wanted_events(kind, wanted)

        async def look(before: int | None, most: int) -> tuple[list[Event], int | None]:
            found = await self._store.events(asked, before, most)
            return [row.event() for row in found.rows], found.next

        left = partial(self._store.left_events, asked)
        return await page_of(look, wanted.before, limit, budget, left)

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
        known = {*await self._operators.call_servers(), *self._servers}
        servers = known if wanted.server is None else {wanted.server}
        return WantedCalls(
            of_servers=sorted(servers) if _is_placed(wanted) else (),
            among=wanted.statuses or tuple(CallStatus),
            principal=wanted.principal or "",
            workflow=wanted.part or "",
            texts=wanted.texts,
            since=wanted.since,
            bulk=wanted.bulk or "",
            ids_alone=wanted.ids_alone,
        )


def _is_placed(wanted: RecordSearch) -> bool:
    """Report whether records are looked for where they are, and not in the list of a bulk act."""
    if wanted.bulk and (wanted.server or wanted.part or wanted.principal):
        raise MalformedError(ALONE)
    return wanted.bulk is None

"""Records as operators look for them: of all principals, newest first, some way back in a step."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bridge.models import SubscriptionId, SubscriptionStatus
from bridge.store.calls import CallRow
from bridge.store.events import EventRow
from bridge.store.steps import Steps, step

LOOK_AT = 500
"""So many records are looked at in one step."""


@dataclass(frozen=True)
class WantedEvents:
    """Which events are looked for: of these (server, hook), in one of these statuses.

    No `replies`, which are statuses too, stand for any, as no `texts` do. `principal` took it last,
    one of `texts` is in an id or the summary, or with `ids_alone` in an id, `since` is the least
    order number. Of a `bulk` act those are looked for that it was done to, wherever they are.
    """

    places: Sequence[tuple[str, str]]
    among: Sequence[str]
    among_replies: Sequence[str]
    principal: str
    texts: Sequence[str]
    since: int
    bulk: str = ""
    ids_alone: bool = False

    @property
    def statuses(self) -> Mapping[str, bool]:
        """The statuses as a set, as Lua has sets."""
        return dict.fromkeys(self.among, True)

    @property
    def replies(self) -> Mapping[str, bool]:
        """Those of replies, likewise."""
        return dict.fromkeys(self.among_replies, True)


@dataclass(frozen=True)
class WantedCalls:
    """Which calls are looked for: of all principals of these servers, or of one, likewise."""

    of_servers: Sequence[str]
    principal: str
    among: Sequence[str]
    workflow: str
    texts: Sequence[str]
    since: int
    bulk: str = ""
    ids_alone: bool = False

    @property
    def callers(self) -> Sequence[tuple[str, str]]:
        """The callers where the principal is named."""
        return [(server, self.principal) for server in self.of_servers if self.principal]

    @property
    def servers(self) -> Mapping[str, bool]:
        """The servers where it is not, as a set."""
        return {} if self.principal else dict.fromkeys(self.of_servers, True)

    @property
    def statuses(self) -> Mapping[str, bool]:
        """The statuses as a set."""
        return dict.fromkeys(self.among, True)


@dataclass(frozen=True)
class WantedSubscriptions:
    """Which subscriptions are looked for, likewise; empty texts and no statuses stand for any."""

    server: str
    hook: str
    principal: str
    statuses: Sequence[SubscriptionStatus]
    text: str
    since: int

    @property
    def among(self) -> Mapping[str, bool]:
        """The statuses as a set."""
        return dict.fromkeys(self.statuses, True)


class FoundEvents(NamedTuple):
    """Some events, and the order number to look on from; None where no more are left."""

    rows: list[EventRow]
    next: int | None


class FoundCalls(NamedTuple):
    """The same of calls."""

    rows: list[CallRow]
    next: int | None


class ListedSubscription(NamedTuple):
    """A subscription without its secrets: `host` is the receiver's, moments are in milliseconds.

    `behind` counts the events of its hook that it was not sent yet.
    """

    subscription_id: SubscriptionId
    server: str
    hook: str
    principal: str
    host: str
    status: SubscriptionStatus
    behind: int
    expires_at_ms: int
    last_delivery_at_ms: int | None
    failed_since_ms: int | None
    last_error: str | None


class FoundSubscriptions(NamedTuple):
    """The same of subscriptions."""

    rows: list[ListedSubscription]
    next: int | None


class CountedRecords(NamedTuple):
    """How many of those looked at have each status, and the order number to look on from."""

    counts: dict[str, int]
    next: int | None


class CountsRow(NamedTuple):
    """The counts of one step, as JSON."""

    counts: bytes
    next: int | None

    def counted(self) -> CountedRecords:
        """Return the counts by status."""
        return CountedRecords(json.loads(self.counts), self.next)


@step("searching.events")
async def _events(
    steps: Steps, *, wanted: WantedEvents, before: str, look_at: int, limit: int
) -> FoundEvents:
    """Find events that are older than `before`."""


@step("searching.left_events")
async def _left_events(steps: Steps, *, wanted: WantedEvents, before: str) -> int:
    """Count what is older than `before`, whatever it is."""


@step("searching.count_events")
async def _count_events(
    steps: Steps, *, wanted: WantedEvents, before: str, look_at: int
) -> CountsRow:
    """Count events that are older than `before`."""


@step("searching.calls")
async def _calls(
    steps: Steps, *, wanted: WantedCalls, before: str, look_at: int, limit: int
) -> FoundCalls:
    """Find calls that are older than `before`."""


@step("searching.left_calls")
async def _left_calls(steps: Steps, *, wanted: WantedCalls, before: str) -> int:
    """Count what is older than `before`, whatever it is."""


@step("searching.count_calls")
async def _count_calls(
    steps: Steps, *, wanted: WantedCalls, before: str, look_at: int
) -> CountsRow:
    """Count calls that are older than `before`."""


@step("subscribed.find")
async def _subscriptions(
    steps: Steps, *, wanted: WantedSubscriptions, before: str, look_at: int, limit: int
) -> FoundSubscriptions:
    """Find subscriptions that are older than `before`."""


class SearchStore:
    """Speaks Redis for searches: each of its methods looks at `look_at` records at most.

    `before` is the order number to look on from; None begins with the newest.
    """

    def __init__(self, steps: Steps, look_at: int = LOOK_AT) -> None:
        self._steps = steps
        self._look_at = look_at

    async def events(self, wanted: WantedEvents, before: int | None, limit: int) -> FoundEvents:
        """Find at most `limit` events, newest first, without payloads and answers."""
        return await _events(
            self._steps, wanted=wanted, before=_spelled(before), look_at=self._look_at, limit=limit
        )

    async def left_events(self, wanted: WantedEvents, before: int) -> int:
        """Count the events that a search has not looked at yet."""
        return await _left_events(self._steps, wanted=wanted, before=_spelled(before))

    async def count_events(self, wanted: WantedEvents, before: int | None) -> CountedRecords:
        """Count events by their status, or that of their replies where these are wanted."""
        row = await _count_events(
            self._steps, wanted=wanted, before=_spelled(before), look_at=self._look_at
        )
        return row.counted()

    async def calls(self, wanted: WantedCalls, before: int | None, limit: int) -> FoundCalls:
        """Find at most `limit` calls, newest first, without arguments and results."""
        return await _calls(
            self._steps, wanted=wanted, before=_spelled(before), look_at=self._look_at, limit=limit
        )

    async def left_calls(self, wanted: WantedCalls, before: int) -> int:
        """Count the calls that a search has not looked at yet."""
        return await _left_calls(self._steps, wanted=wanted, before=_spelled(before))

    async def count_calls(self, wanted: WantedCalls, before: int | None) -> CountedRecords:
        """Count calls by their status."""
        row = await _count_calls(
            self._steps, wanted=wanted, before=_spelled(before), look_at=self._look_at
        )
        return row.counted()

    async def subscriptions(
        self, wanted: WantedSubscriptions, before: int | None, limit: int
    ) -> FoundSubscriptions:
        """Find at most `limit` subscriptions, those made last first."""
        return await _subscriptions(
            self._steps, wanted=wanted, before=_spelled(before), look_at=self._look_at, limit=limit
        )


def _spelled(before: int | None) -> str:
    return "+inf" if before is None else str(before)

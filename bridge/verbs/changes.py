"""What operators watch, and whether it has changed: one looks for all while anybody watches."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from bridge.ending import BackgroundTasks
from bridge.errors import TransientError
from bridge.models import EventStatus
from bridge.store.changes import ChangeStore, ListsRow
from bridge.store.signals import Signal, Signals
from bridge.store.steps import Steps

LOOK_S = 0.5
MOMENT_S = 5
"""How often what changes by time alone counts as changed."""


class WatchedKind(StrEnum):
    """What may be watched: a list, how things stand now, or a record."""

    EVENTS = "events"
    CALLS = "calls"
    REPLIES = "replies"
    SUBSCRIPTIONS = "subscriptions"
    NOW = "now"
    EVENT = "event"
    CALL = "call"


OF_EVENTS, OF_CALLS = ("events", "queue", "lease", "replies"), ("ended",)
"""The totals that grow as events, with their replies, and calls go on."""


@dataclass(frozen=True)
class Watched:
    """What somebody watches; `name` is an id, or the server of a list, empty for all servers."""

    kind: WatchedKind
    name: str = ""

    @property
    def signal(self) -> str:
        """What whoever watches it in this process is notified by."""
        return f"changed:{self.kind}:{self.name}"


class Changes:
    """Notifies those who watch something, in this process, within a second of its change.

    What Redis is asked grows with what is watched, and not with how many watch it; while nobody
    does, it is asked nothing.
    """

    def __init__(self, store: ChangeStore, signals: Signals, tasks: BackgroundTasks) -> None:
        self._store = store
        self._signals = signals
        self._tasks = tasks
        self._watchers = Counter[Watched]()
        self._stands: dict[Watched, object] = {}
        self._is_looking = False

    @classmethod
    def of(cls, steps: Steps, signals: Signals, tasks: BackgroundTasks) -> "Changes":
        """Return those of a process."""
        return cls(ChangeStore(steps), signals, tasks)

    @contextlib.asynccontextmanager
    async def watching(self, watched: Watched, *names: str) -> AsyncIterator[Signal]:
        """Return a signal of each change from now on, and of some names, while the block lasts.

        Raises:
            TransientError: Redis is away.
        """
        if watched not in self._stands:
            # What the first of two found holds: the other's may have changed since.
            self._stands = await self._read([watched]) | self._stands
        self._watchers[watched] += 1
        if not self._is_looking:
            self._is_looking = True
            self._tasks.start(self._look())
        try:
            with self._signals.subscribed(watched.signal, *names) as woken:
                yield woken
        finally:
            self._watchers[watched] -= 1
            if not self._watchers[watched]:
                del self._watchers[watched], self._stands[watched]

    async def _look(self) -> None:
        """Look again and again while anybody watches."""
        try:
            while self._watchers:
                await asyncio.sleep(LOOK_S)
                with contextlib.suppress(TransientError):
                    self._compare(await self._read(tuple(self._watchers)))
        finally:
            self._is_looking = False

    def _compare(self, stands: Mapping[Watched, object]) -> None:
        """Notify those who watch what stands otherwise than before."""
        for watched in stands.keys() & self._stands.keys():
            if stands[watched] != self._stands[watched]:
                self._stands[watched] = stands[watched]
                self._signals.notify_here(watched.signal)

    async def _read(self, all_watched: Collection[Watched]) -> dict[Watched, object]:
        """Read how each of these stands: in as many round trips as there are kinds of records."""
        lists = await self._store.lists()
        stands = {each: _stand(each, lists) for each in all_watched}
        for kind, read in (
            (WatchedKind.EVENT, self._store.event),
            (WatchedKind.CALL, self._store.call),
        ):
            of_kind = [each for each in all_watched if each.kind is kind]
            found = await asyncio.gather(*(read(each.name) for each in of_kind))
            for each, own in zip(of_kind, found, strict=True):
                stands[each] = (own, stands[each] if EventStatus.LEASED in own else None)
        return stands


def _stand(watched: Watched, lists: ListsRow) -> object:
    """Return how a list stands; of an event, the calls, which are made while it is held."""
    match watched.kind:
        case WatchedKind.EVENTS | WatchedKind.REPLIES:
            return _counted(lists, OF_EVENTS, watched.name), lists.due_replies
        case WatchedKind.SUBSCRIPTIONS:
            return _counted(lists, OF_EVENTS, watched.name), _moment()
        case WatchedKind.CALLS:
            return _calls(lists, watched.name)
        case WatchedKind.NOW:
            return lists, _moment()
        case _:
            return _calls(lists, "")


def _calls(lists: ListsRow, server: str) -> object:
    ended = _counted(lists, OF_CALLS, server)
    # The time that a call has taken grows while it runs.
    moment = _moment() if lists.running else 0
    return ended, lists.order, lists.due_calls, lists.running, moment


def _counted(lists: ListsRow, names: Iterable[str], server: str) -> float:
    beginnings = tuple(f"{name}|{server}|" if server else f"{name}|" for name in names)
    return sum(n for name, n in lists.counted.items() if name.startswith(beginnings))


def _moment() -> int:
    return int(time.monotonic() // MOMENT_S)

"""What comes on hooks, for clients that hear of it: how inboxes and lists stand, and what came."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from bridge.configuration.servers import Server
from bridge.errors import TransientError
from bridge.store.event_feed import ArrivalPage, ArrivalStore
from bridge.store.inboxes import InboxStore
from bridge.store.signals import Signal, Signals


@dataclass(frozen=True)
class SessionNews:
    """What a session is to be told of: inboxes by their hooks, lists by their names.

    `hears` says whether it subscribes to any inbox. `stands` and `digests` are what it will have
    been told of then.
    """

    hooks: tuple[str, ...]
    lists: tuple[str, ...]
    hears: bool
    stands: Mapping[str, str]
    digests: Mapping[str, str]


class Inboxes:
    """Decides what is news to whom."""

    def __init__(self, store: InboxStore, arrivals: ArrivalStore, signals: Signals) -> None:
        self._store = store
        self._arrivals = arrivals
        self._signals = signals

    def subscribed(self, server: Server) -> AbstractContextManager[Signal]:
        """Hear of events that come and go on a server's hooks while the block lasts."""
        return self._signals.subscribed(*signals_of(server))

    def arriving(self, server: Server) -> AbstractContextManager[Signal]:
        """Hear of events that come on a server's hooks while the block lasts."""
        return self._signals.subscribed(f"events:{server.name}")

    def look_again(self, servers: Iterable[str]) -> None:
        """Have the sessions that are read here see what is news to them, lists too."""
        self._signals.notify_kind_here("session")
        for name in servers:
            self._signals.notify_here(f"left:{name}")

    async def stands(self, server: Server, hooks: Sequence[str]) -> dict[str, str]:
        """Report how the queue of each hook stands: two are equal while nothing came or went."""
        return await self._store.stands(server.name, hooks)

    async def after(
        self, server: Server, hook: str, cursor: str | None, limit: int, kept_s: float
    ) -> ArrivalPage:
        """Read what has come on a hook behind a cursor, in the order it came."""
        return await self._arrivals.after(server.name, hook, cursor, limit, kept_s)

    async def changed_lists(self, server: Server, lists: Mapping[str, str]) -> list[str]:
        """Name the lists that are others than before: who comes back may not know them yet."""
        try:
            return await self._store.changed_lists(server.name, lists)
        except TransientError:
            return []

    async def subscribe(self, session_id: str, server: Server, hook: str) -> None:
        """Record that a session wants to hear of an inbox from now on."""
        await self._store.hear(session_id, server.name, hook)

    async def unsubscribe(self, session_id: str, hook: str) -> None:
        """Record that a session has heard enough of an inbox."""
        await self._store.hear_no_more(session_id, hook)

    async def news(
        self, session_id: str, server: Server, lists: Mapping[str, str]
    ) -> SessionNews | None:
        """Read what is news to a session, of lists with these digests too; None once it ended.

        A list is news only to a session that was shown another before.
        """
        heard = await self._store.look(session_id, server.name)
        if heard is None:
            return None
        unlike = {name: now for name, now in lists.items() if heard.shown.get(name) != now}
        hooks = tuple(hook for hook in heard.news if hook in server.hooks)
        return SessionNews(
            hooks,
            tuple(sorted(unlike.keys() & heard.shown.keys())),
            bool(heard.inboxes),
            {hook: heard.inboxes[hook] for hook in hooks},
            unlike,
        )

    async def told(self, session_id: str, news: SessionNews) -> None:
        """Record what a session has been told of."""
        if news.stands or news.digests:
            await self._store.told(session_id, news.stands, news.digests)


def signals_of(server: Server) -> tuple[str, str]:
    """Name the signals of a server's inboxes: events that come, and that go."""
    return f"events:{server.name}", f"left:{server.name}"

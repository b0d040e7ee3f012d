"""Who is there: the processes of the bridge, and the clients that wait for events."""

from collections.abc import Iterable
from typing import Self

from bridge.configuration.servers import Server
from bridge.store.presence import KnownProcess, PresenceStore, WaitingTakers
from bridge.store.steps import Steps


class Attendance:
    """Finds out who is there."""

    def __init__(self, store: PresenceStore) -> None:
        self._store = store

    @classmethod
    def of(cls, steps: Steps) -> Self:
        """Return what a process finds it out by."""
        return cls(PresenceStore(steps))

    async def processes(self) -> list[KnownProcess]:
        """Return every process on record, by kind, those that were started last first."""
        found = await self._store.processes()
        return sorted(found, key=lambda each: (each.kind, -_started_at_ms(each), each.name))

    async def takers(self, servers: Iterable[Server]) -> list[WaitingTakers]:
        """Return how many takers wait for an event of each hook, or of any, where some do."""
        hooks = [
            (server.name, hook)
            for server in servers
            if server.hooks
            for hook in ("", *server.hooks)
        ]
        return [each for each in await self._store.takers(hooks) if each.waiting]


def _started_at_ms(process: KnownProcess) -> int:
    return process.report.started_at_ms if process.report else 0

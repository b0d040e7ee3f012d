"""What a process serves now, and whom it alerts: objects that all share, replaced in one step."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from typing_extensions import override

from bridge.configuration.alerts import Alerts
from bridge.configuration.servers import Server


class Servers(Mapping[str, Server]):
    """The servers of a process by name, as their files were read last.

    What is made of a server is made of that very object: one that has not changed stays the same.
    Those that were replaced are remembered for as long as calls of theirs may run.
    """

    def __init__(self, servers: Mapping[str, Server]) -> None:
        self.now: Mapping[str, Server] = dict(servers)
        self._earlier: list[tuple[float, Mapping[str, Server]]] = []

    @classmethod
    def of(cls, servers: Mapping[str, Server]) -> Self:
        """Return these servers themselves, or those of a plain mapping."""
        return servers if isinstance(servers, cls) else cls(servers)

    @override
    def __getitem__(self, name: str) -> Server:
        return self.now[name]

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self.now)

    @override
    def __len__(self) -> int:
        return len(self.now)

    def merged(self, found: Mapping[str, Server]) -> dict[str, Server]:
        """Return what was found, each server that is equal to the one of now as that very one."""
        return {
            name: self.now[name] if self.now.get(name) == server else server
            for name, server in found.items()
        }

    def replace(self, servers: Mapping[str, Server]) -> None:
        """Serve these from now on."""
        replaced_at = time.monotonic()
        self._earlier = [
            *(each for each in self._earlier if replaced_at - each[0] < _longest_s(each[1])),
            (replaced_at, self.now),
        ]
        self.now = dict(servers)

    def as_of(self, name: str, age_s: float) -> Server | None:
        """Return a server as it was so long ago, for what has begun then."""
        began_at = time.monotonic() - age_s
        for replaced_at, earlier in self._earlier:
            if began_at < replaced_at and name in earlier:
                return earlier[name]
        return self.now.get(name)


@dataclass
class CurrentAlerts:
    """The alerts of a process, as their file was read last; None where no file is named."""

    now: Alerts | None = None


class McpServers(Mapping[str, Server]):
    """What MCP clients may connect to: the servers of files as they are now, and that of operators.

    All else, hooks, lists and numbers among it, knows those of the files alone.
    """

    def __init__(self, servers: Servers, own: Mapping[str, Server]) -> None:
        self._servers = servers
        self._own = own

    @override
    def __getitem__(self, name: str) -> Server:
        return self._own[name] if name in self._own else self._servers[name]

    @override
    def __iter__(self) -> Iterator[str]:
        return iter({**self._servers, **self._own})

    @override
    def __len__(self) -> int:
        return len(self._servers) + len(self._own)

    def as_of(self, name: str, age_s: float) -> Server | None:
        """Return a server as it was so long ago, for what has begun then."""
        return self._own.get(name) or self._servers.as_of(name, age_s)


def _longest_s(servers: Mapping[str, Server]) -> float:
    """Return how long a call of any of these may run."""
    timeouts = [each.timeout_s for server in servers.values() for each in server.workflows.values()]
    return max(timeouts, default=0)

"""How things stand at this moment, in one look: what waits, runs, is paused, and what is wrong."""

from collections import Counter
from collections.abc import Iterator, Mapping

from bridge.configuration.servers import Server
from bridge.models import EventStatus, instant
from bridge.store.counters import Counters, Totals
from bridge.store.operators import OperatorStore
from bridge.verbs.operators import HOW_TO_MEND, stranded

LATE_S = 10


class Overview:
    """Reads how things stand, for operators who ask for all of it at once."""

    def __init__(
        self,
        counters: Counters,
        operators: OperatorStore,
        servers: Mapping[str, Server],
    ) -> None:
        self._counters = counters
        self._operators = operators
        self._servers = servers

    async def now(self) -> dict[str, object]:
        """Return numbers by what they count, what is paused, and what is wrong with its remedy."""
        servers = self._servers.values()
        hooks = [(server.name, hook) for server in servers for hook in server.hooks]
        tools = [(server.name, tool) for server in servers for tool in server.workflows]
        totals = await self._counters.read(hooks, tools)
        kinds = Counter(name.partition("-")[0] for name in totals.live_processes)
        paused = [
            {"place": each.place, "since": instant(each.at_ms, "seconds"), "by": each.by}
            for each in totals.paused
        ]
        return {
            "events": _events(totals),
            "calls": {
                "running": sum(running for running, _ in totals.calls.values()),
                "waiting": totals.due_calls + sum(turn for _, turn in totals.calls.values()),
            },
            "replies": {"due": totals.due_replies, "dead": totals.dead_replies},
            "oldest_queued_s": round(max(totals.oldest_s.values(), default=0)),
            "sessions": totals.sessions,
            "processes": dict(kinds),
            "servers": sorted(self._servers),
            "paused": paused,
            "wrong": [*_wrong(totals), *await self._stranded()],
        }

    async def _stranded(self) -> list[dict[str, str]]:
        found = await stranded(self._operators, self._counters, self._servers)
        return [
            _trouble(f"{each.queued} events wait on {each.server}/{each.hook}", HOW_TO_MEND)
            for each in found
        ]


def _events(totals: Totals) -> dict[str, int]:
    counts = Counter[str]()
    for (_, _, status), size in totals.inboxes.items():
        counts[status] += size
    queued = counts[EventStatus.QUEUED] + counts["delayed"]
    return {"queued": queued, "leased": counts["leased"], "dead": counts["dead"]}


def _wrong(totals: Totals) -> Iterator[dict[str, str]]:
    if not any(name.startswith("worker-") for name in totals.live_processes):
        yield _trouble("no worker is alive: calls and replies wait", "start n8n-bridge worker")
    if totals.late_s >= LATE_S:
        late = f"calls have been due for {totals.late_s:.0f} s and no worker has begun them"
        yield _trouble(late, "start more workers, or raise their --concurrency")
    for origin, rests in totals.circuits.items():
        if rests:
            yield _trouble(f"replies to {origin} rest: it failed too often", "start n8n again")


def _trouble(sentence: str, remedy: str) -> dict[str, str]:
    return {"what": sentence, "remedy": remedy}

"""What is wrong right now, as the store tells of it, and what to do about each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bridge.configuration.servers import Server
from bridge.formats.quantities import duration
from bridge.models import EventStatus, second
from bridge.store.counters import Counters, Totals
from bridge.store.operators import OperatorStore
from bridge.verbs.health import Health
from bridge.verbs.operators import stranded

OLD_S = 900
LATE_S = 10


@dataclass(frozen=True)
class StoreTrouble:
    """One thing that is wrong; the records that `filter` chooses among `records` tell more of it.

    `records` may be `servers` too, where pauses are ended.
    """

    sentence: str
    remedy: str
    records: str = ""
    filter: Mapping[str, str] = field(default_factory=dict, hash=False)


class Troubles:
    """Finds out what is wrong, for everybody who is told of it."""

    def __init__(
        self,
        health: Health,
        counters: Counters,
        operators: OperatorStore,
        servers: Mapping[str, Server],
    ) -> None:
        self.health = health
        self._counters = counters
        self._operators = operators
        self._servers = servers

    async def of(self, totals: Totals) -> list[StoreTrouble]:
        """Return what is wrong where these are the totals of all servers, the worst first."""
        return [
            *await self._firing(totals),
            *_of_processes(totals),
            *self._lost(),
            *_of_waiting(totals),
            *_set_aside(totals),
            *await self._stranded(),
            *_paused(totals),
        ]

    async def _firing(self, totals: Totals) -> list[StoreTrouble]:
        """Return what alerts tell people of."""
        firing = await self.health.alerts.firing() if totals.firing else []
        return [
            StoreTrouble(
                f"the alert {each.rule} fires since {second(each.since_ms)}: "
                f"{each.said['sentence']}",
                each.said["remedy"],
            )
            for each in firing
        ]

    def _lost(self) -> Iterator[StoreTrouble]:
        if said := self.health.warning:
            yield StoreTrouble(said, "see what Redis lost, and why")

    async def _stranded(self) -> list[StoreTrouble]:
        return [
            StoreTrouble(
                f"{each.queued:,} events wait on {each.server}/{each.hook}, "
                "which no server file has",
                "give a hook that name again, or let them expire",
                "events",
                {"server": each.server, "hook": each.hook},
            )
            for each in await stranded(self._operators, self._counters, self._servers)
        ]


def _of_processes(totals: Totals) -> Iterator[StoreTrouble]:
    if not any(name.startswith("worker-") for name in totals.live_processes):
        yield StoreTrouble(
            "no worker is alive: calls and replies wait", "start one: n8n-bridge worker"
        )
    for origin, rests in totals.circuits.items():
        if rests:
            yield StoreTrouble(
                f"replies to {origin} rest, for it has failed too often",
                "start n8n again; one reply after the other finds out when it is back",
            )


def _of_waiting(totals: Totals) -> Iterator[StoreTrouble]:
    for (server, hook), age_s in totals.oldest_s.items():
        if age_s >= OLD_S:
            yield StoreTrouble(
                f"an event has waited on {server}/{hook} for {duration(round(age_s * 1000))}",
                "nobody takes it: see that a client of Claude's is connected and asked to",
                "events",
                {"server": server, "hook": hook, "status": "queued"},
            )
    if totals.late_s >= LATE_S:
        late = duration(round(totals.late_s * 1000))
        yield StoreTrouble(
            f"calls have been due for {late} and no worker has begun them",
            "start more workers, or raise their --concurrency",
            "calls",
            {"status": "queued"},
        )


def _set_aside(totals: Totals) -> Iterator[StoreTrouble]:
    dead = sum(n for (_, _, status), n in totals.inboxes.items() if status == EventStatus.DEAD)
    for records, count, why in (
        ("events", dead, "are set aside ({:,}): no attempt is left, or Claude gave them up"),
        ("replies", totals.dead_replies, "are dead ({:,}): n8n has not taken them"),
    ):
        if count:
            said = f"{records} {why.format(count)}"
            remedy = "look why, mend it, redrive them"
            yield StoreTrouble(said, remedy, records, {"status": "dead"})


def _paused(totals: Totals) -> Iterator[StoreTrouble]:
    for each in totals.paused:
        yield StoreTrouble(
            f"{each.place} is paused by {each.by}", "resume it when it may go on", "servers"
        )

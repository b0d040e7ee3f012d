"""What is wrong right now, as the store tells of it, and what to do about each."""

from collections.abc import Iterator
from dataclasses import dataclass

from bridge.console.visits import Visit
from bridge.formats.quantities import duration
from bridge.models import EventStatus, second
from bridge.store.counters import Totals
from bridge.verbs.operators import stranded

OLD_S = 900
LATE_S = 10


@dataclass(frozen=True)
class StoreTrouble:
    """One thing that is wrong; `path` leads to more of it within the console."""

    sentence: str
    remedy: str
    path: str = ""


async def troubles_of(visit: Visit, totals: Totals) -> list[StoreTrouble]:
    """Return what is wrong, the worst first."""
    found = [*await _firing(visit, totals), *_of_processes(visit, totals), *_of_waiting(totals)]
    dead = sum(n for (_, _, status), n in totals.inboxes.items() if status == EventStatus.DEAD)
    if dead:
        said = f"events are set aside ({dead:,}): no attempt is left, or Claude gave them up"
        found.append(StoreTrouble(said, "look why, mend it, redrive them", "/events?status=dead"))
    if totals.dead_replies:
        said = f"replies are dead ({totals.dead_replies:,}): n8n has not taken them"
        found.append(StoreTrouble(said, "look why, mend it, redrive them", "/replies?status=dead"))
    return [*found, *await _stranded(visit), *await _paused(visit)]


async def _firing(visit: Visit, totals: Totals) -> list[StoreTrouble]:
    """Return what alerts tell people of."""
    firing = await visit.runtime.health.alerts.firing() if totals.firing else []
    return [
        StoreTrouble(
            f"the alert {each.rule} fires since {second(each.since_ms)}: {each.said['sentence']}",
            each.said["remedy"],
        )
        for each in firing
    ]


def _of_processes(visit: Visit, totals: Totals) -> Iterator[StoreTrouble]:
    if not any(name.startswith("worker-") for name in totals.live_processes):
        yield StoreTrouble(
            "no worker is alive: calls and replies wait", "start one: n8n-bridge worker"
        )
    if warning := visit.runtime.health.warning:
        yield StoreTrouble(f"{warning[:1].lower()}{warning[1:]}", "see what Redis lost, and why")
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
                f"/events?server={server}&hook={hook}&status=queued",
            )
    if totals.late_s >= LATE_S:
        late = duration(round(totals.late_s * 1000))
        yield StoreTrouble(
            f"calls have been due for {late} and no worker has begun them",
            "start more workers, or raise their --concurrency",
            "/calls?status=queued",
        )


async def _stranded(visit: Visit) -> list[StoreTrouble]:
    stores = visit.request.app.runtime.stores
    found = await stranded(stores.operators, stores.counters, visit.runtime.servers)
    return [
        StoreTrouble(
            f"{each.queued} events wait on {each.server}/{each.hook}, which no server file has",
            "give a hook that name again, or let them expire",
            f"/events?server={each.server}&hook={each.hook}",
        )
        for each in found
    ]


async def _paused(visit: Visit) -> list[StoreTrouble]:
    pauses = await visit.runtime.operators.pausing.listed()
    return [
        StoreTrouble(
            f"{each.place} is paused by {each.by}", "resume it when it may go on", "/servers"
        )
        for each in pauses
    ]

"""What the rules of alerts find: pure, from what was read of the store and of n8n."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.configuration.alerts import (
    AlertCondition,
    Alerts,
    DeadEvents,
    DeadReplies,
    FailedCalls,
    N8nAway,
    OldestQueuedEvent,
    OverdueCalls,
    RedisAway,
    RedisMemory,
    WebsAlive,
    WorkersAlive,
)
from bridge.configuration.servers import Server
from bridge.formats.quantities import duration
from bridge.models import CallStatus, EventStatus
from bridge.store.counters import Totals
from bridge.store.histograms import Counted

Place = tuple[str, str]
"""A server, and its hook or workflow."""


@dataclass(frozen=True)
class WhatIsSeen:
    """What rules are held to; `windows` are by their seconds, `n8n` by origin what is wrong there.

    `n8n` is None before it was looked at, and `kinds`, how many processes of each kind live, before
    that can be told from a Redis that was away.
    """

    totals: Totals
    servers: Mapping[str, Server] = field(default_factory=dict)
    windows: Mapping[float, Counted] = field(default_factory=dict)
    n8n: Mapping[str, str] | None = None
    kinds: Mapping[str, int] | None = None


@dataclass(frozen=True)
class PlaceFound:
    """How a condition stands in a place, and what is said of it where it holds."""

    holds: bool
    value: float
    threshold: float
    unit: str
    sentence: str
    remedy: str
    where: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Return the place in one text."""
        return "/".join(self.where.values())

    @property
    def said(self) -> dict[str, Any]:
        """Return what receivers are told of it."""
        return {
            **self.where,
            "value": round(self.value, 3),
            "threshold": self.threshold,
            "unit": self.unit,
            "sentence": self.sentence,
            "remedy": self.remedy,
        }


def hooks_of(alerts: Alerts, servers: Mapping[str, Server]) -> list[Place]:
    """Name the hooks that rules are about."""
    conditions = [rule.when.condition for rule in alerts.alerts.values()]
    named = [
        place
        for each in conditions
        if isinstance(each, OldestQueuedEvent | DeadEvents)
        for place in _hooks(each.on, servers)
    ]
    return sorted(set(named))


def windows_of(alerts: Alerts) -> set[float]:
    """Return the times over which rules count failures."""
    conditions = [rule.when.condition for rule in alerts.alerts.values()]
    return {each.within_s for each in conditions if isinstance(each, FailedCalls)}


def asks_n8n(alerts: Alerts) -> bool:
    """Report whether a rule is about n8n."""
    return any(isinstance(rule.when.condition, N8nAway) for rule in alerts.alerts.values())


def find(condition: AlertCondition, seen: WhatIsSeen) -> list[PlaceFound] | None:
    """Return how a condition stands, place by place; None where that cannot be told now."""
    match condition:
        case OldestQueuedEvent():
            return list(_oldest(condition, seen))
        case DeadEvents():
            return list(_dead_events(condition, seen))
        case DeadReplies(more_than=most):
            return [_dead_replies(seen.totals.dead_replies, most)]
        case FailedCalls():
            return list(_failed(condition, seen))
        case OverdueCalls(longer_than_s=most_s):
            return [_overdue(seen.totals.late_s, most_s)]
        case _:
            return _find_beside_records(condition, seen)


def _find_beside_records(condition: AlertCondition, seen: WhatIsSeen) -> list[PlaceFound] | None:
    match condition:
        case N8nAway():
            return None if seen.n8n is None else list(_away(seen.n8n, seen.totals.circuits))
        case WorkersAlive(fewer_than=least):
            return None if seen.kinds is None else [_few("worker", least, seen.kinds)]
        case WebsAlive(fewer_than=least):
            return None if seen.kinds is None else [_few("web", least, seen.kinds)]
        case RedisMemory():
            return _memory(condition, seen.totals.memory)
        case RedisAway():
            return []  # a web process tells of it by itself, for nothing can be read then
    raise AssertionError(condition)


def taken_away(
    alerts: Alerts, standing: Iterable[tuple[str, str]], found: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], str]:
    """Return which rules with their places are looked at no more though they held, and why.

    An origin that replies go to again is not found any more, and is over.
    """
    left = set(standing).difference(found)
    conditions = {name: rule.when.condition for name, rule in alerts.alerts.items()}
    return {
        (rule, place): "the rule is no longer about this"
        if rule in conditions
        else "the rule was removed"
        for rule, place in left
        if not isinstance(conditions.get(rule), N8nAway)
    }


def kinds_of(processes: Iterable[str]) -> Counter[str]:
    """Count processes by their kinds."""
    return Counter(name.partition("-")[0] for name in processes)


def _hooks(on: str | None, servers: Mapping[str, Server]) -> Iterator[Place]:
    for server in servers.values():
        for hook in server.hooks:
            if on in (None, server.name, f"{server.name}/{hook}"):
                yield server.name, hook


def _oldest(condition: OldestQueuedEvent, seen: WhatIsSeen) -> Iterator[PlaceFound]:
    for server, hook in _hooks(condition.on, seen.servers):
        age_s = seen.totals.oldest_s.get((server, hook), 0)
        is_paused = any(pause.covers(server, hook) for pause in seen.totals.paused)
        yield PlaceFound(
            age_s > condition.older_than_s and not is_paused,
            age_s,
            condition.older_than_s,
            "seconds",
            f"an event has waited on {server}/{hook} for {duration(round(age_s * 1000))}",
            "nobody takes it: see that a client of Claude's is connected and asked to",
            {"server": server, "hook": hook},
        )


def _dead_events(condition: DeadEvents, seen: WhatIsSeen) -> Iterator[PlaceFound]:
    for server, hook in _hooks(condition.on, seen.servers):
        count = seen.totals.inboxes.get((server, hook, EventStatus.DEAD), 0)
        yield PlaceFound(
            count > condition.more_than,
            count,
            condition.more_than,
            "events",
            f"{_are(count, 'event', f' of {server}/{hook}')} set aside: no attempt is left, or "
            "Claude gave up",
            "look why, mend it, redrive them: n8n-bridge events ls --status dead",
            {"server": server, "hook": hook},
        )


def _dead_replies(count: int, most: int) -> PlaceFound:
    return PlaceFound(
        count > most,
        count,
        most,
        "replies",
        f"replies are dead ({count}): n8n has not taken them",
        "look why, mend it, redrive them: n8n-bridge replies ls --status dead",
    )


def _failed(condition: FailedCalls, seen: WhatIsSeen) -> Iterator[PlaceFound]:
    counted = seen.windows[condition.within_s].totals
    for server in seen.servers.values():
        for workflow in server.workflows:
            if condition.on not in (None, server.name, f"{server.name}/{workflow}"):
                continue
            place = ("calls", server.name, workflow)
            failed = counted.get((*place, CallStatus.FAILED), 0)
            ended = failed + counted.get((*place, CallStatus.SUCCEEDED), 0)
            yield _share(condition, failed, ended, {"server": server.name, "workflow": workflow})


def _share(
    condition: FailedCalls, failed: float, ended: float, where: dict[str, str]
) -> PlaceFound:
    percent = 100 * failed / ended if ended else 0.0
    is_over = (
        condition.more_than is None or failed > condition.more_than,
        condition.more_than_percent is None or percent > condition.more_than_percent,
    )
    by_count = condition.more_than is not None
    return PlaceFound(
        all(is_over),
        failed if by_count else percent,
        (condition.more_than if by_count else condition.more_than_percent) or 0,
        "calls" if by_count else "percent",
        f"{failed:.0f} of {ended:.0f} calls of {'/'.join(where.values())} failed within the last "
        f"{duration(round(condition.within_s * 1000))}",
        "look why: n8n-bridge calls ls --status failed, and n8n's executions",
        where,
    )


def _overdue(late_s: float, most_s: float) -> PlaceFound:
    return PlaceFound(
        late_s > most_s,
        late_s,
        most_s,
        "seconds",
        f"calls have been due for {duration(round(late_s * 1000))} and no worker has begun them",
        "start more workers, or raise their --concurrency",
    )


def _away(looked: Mapping[str, str], circuits: Mapping[str, bool]) -> Iterator[PlaceFound]:
    for origin in sorted({*looked, *circuits}):
        fault = looked.get(origin, "")
        rests = circuits.get(origin, False)
        why = fault or "it has failed too often, so replies to it rest"
        yield PlaceFound(
            bool(fault) or rests,
            1 if fault or rests else 0,
            0,
            "",
            f"n8n at {origin} is away: {why}",
            "start n8n again, or mend BRIDGE_N8N_URL; what waits for it is sent once it is back",
            {"origin": origin},
        )


def _few(kind: str, least: int, kinds: Mapping[str, int]) -> PlaceFound:
    count = kinds.get(kind, 0)
    waits = {"worker": "calls and replies wait", "web": "neither n8n nor Claude is answered"}[kind]
    said = f"no {kind} process is alive: {waits}"
    return PlaceFound(
        count < least,
        count,
        least,
        "processes",
        said if count == 0 else f"only {count} of {least} {kind} processes are alive",
        f"start one: n8n-bridge {kind}",
    )


def _memory(condition: RedisMemory, memory: Mapping[str, int]) -> list[PlaceFound] | None:
    if not memory:
        return None
    used, most = memory.get("used_memory", 0), memory.get("maxmemory", 0)
    percent = 100 * used / most if most else 0.0
    over_share = condition.more_than_percent is not None and percent > condition.more_than_percent
    over_bytes = condition.more_than_bytes is not None and used > condition.more_than_bytes
    by_share = over_share or condition.more_than_bytes is None
    return [
        PlaceFound(
            over_share or over_bytes,
            percent if by_share else used,
            (condition.more_than_percent if by_share else condition.more_than_bytes) or 0,
            "percent" if by_share else "bytes",
            f"Redis has used {percent:.0f} % of the memory that it may"
            if by_share
            else f"Redis has used {used} bytes of memory",
            "raise its maxmemory, or keep records for less long (BRIDGE_EVENT_TTL_S, "
            "BRIDGE_RESULT_TTL_S)",
        )
    ]


def _are(count: int, noun: str, whose: str) -> str:
    return f"{count} {noun}{whose} is" if count == 1 else f"{count} {noun}s{whose} are"

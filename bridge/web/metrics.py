"""The numbers: totals of the whole bridge, the same from every web process, and this one's own."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from typing_extensions import override

from bridge.configuration.servers import Server
from bridge.meters import REGISTRY
from bridge.models import CallStatus, EventStatus, ReplyStatus
from bridge.store.counters import DROPPED, OPENED, Totals

HOOK = ("server", "hook")
TOOL = ("server", "tool")
COUNTERS = {
    "events": ("Transitions of events, by the status reached.", (*HOOK, "status")),
    "replies": ("Replies that were delivered or are dead.", (*HOOK, "status")),
    "reply_circuits_opened": ("Times that replies to an origin began to rest.", ("origin",)),
    "calls": ("Calls that have ended, by how.", (*TOOL, "status")),
    DROPPED: ("Frames that made room for later ones in full outboxes.", ()),
    "alert_deliveries": (
        "Attempts to tell receivers of alerts and heartbeats, by how they ended.",
        ("receiver", "outcome"),
    ),
}
HISTOGRAMS = {
    "queue": ("event_age_when_taken_seconds", "How old events were when they were taken.", HOOK),
    "lease": ("lease_duration_seconds", "From the taking of events to their answers.", HOOK),
    "call": ("call_duration_seconds", "From the start of a call to its end.", TOOL),
}
ATTEMPTS = (1, 2, 3, 5, 10)
DELIVERY_OUTCOMES = ("delivered", "failed", "given_up")
KINDS = ("web", "worker", "stdio")
EVENT_STATUSES = ("delayed", *EventStatus)
REPLY_STATUSES = (ReplyStatus.DELIVERED, ReplyStatus.DEAD)
CALL_STATUSES = (CallStatus.SUCCEEDED, CallStatus.FAILED, CallStatus.CANCELLED)

Values = Mapping[Any, float]
"""What a gauge shows, by the values of its labels."""


def zeros(
    servers: Iterable[Server], origins: Iterable[str], receivers: Iterable[str] = ()
) -> Iterator[tuple[str, ...]]:
    """Name each total that can be told beforehand: a rise from nothing is no rise to an alarm.

    Source: Prometheus, "Instrumentation", "Avoid missing metrics".
    """
    for server in servers:
        for hook in server.hooks:
            yield from (("events", server.name, hook, status) for status in EVENT_STATUSES)
            yield from (("replies", server.name, hook, status) for status in REPLY_STATUSES)
        for tool in server.workflows:
            yield ("call_ms", server.name, tool)
            yield from (("calls", server.name, tool, status) for status in CALL_STATUSES)
    yield from ((OPENED, origin) for origin in origins)
    yield (DROPPED,)
    for receiver in receivers:
        yield from (("alert_deliveries", receiver, outcome) for outcome in DELIVERY_OUTCOMES)


def empty_histograms(servers: Iterable[Server]) -> Iterator[tuple[str, ...]]:
    """Name each histogram likewise."""
    for server in servers:
        for hook in server.hooks:
            yield from (("queue", server.name, hook), ("lease", server.name, hook))
        yield from (("call", server.name, tool) for tool in server.workflows)


class Snapshot(Collector):
    """Shows totals that were read a moment ago; `limits` are the concurrencies of workflows."""

    def __init__(self, totals: Totals, open_streams: int, limits: Values) -> None:
        self._totals = totals
        self._open_streams = open_streams
        self._limits = limits

    @override
    def collect(self) -> Iterator[Metric]:
        for name, (says, labels) in COUNTERS.items():
            family = CounterMetricFamily(f"n8n_bridge_{name}", says, labels=labels)
            for (counted, *values), total in self._totals.counted.totals.items():
                if counted == name:
                    family.add_metric(values, total)
            yield family
        yield from (self._histogram(name) for name in HISTOGRAMS)
        yield self._attempts()
        yield from self._gauges()

    def _histogram(self, name: str) -> Metric:
        """Show a histogram; only of calls is it known how long all took together."""
        full_name, says, labels = HISTOGRAMS[name]
        family = HistogramMetricFamily(f"n8n_bridge_{full_name}", says, labels=labels)
        for (counted, *values), histogram in self._totals.counted.histograms.items():
            if counted != name:
                continue
            if name == "call":
                total_ms = self._totals.counted.totals.get(("call_ms", *values), 0)
                family.add_metric(values, histogram.buckets(), total_ms / 1000)
            else:
                family.add_metric(values, histogram.buckets(), None)
                by_label = dict(zip(labels, values, strict=True))
                family.add_sample(f"{family.name}_count", by_label, histogram.count)
        return family

    def _attempts(self) -> Metric:
        says = "Attempts that calls took, those that n8n surely has not run aside."
        family = HistogramMetricFamily("n8n_bridge_call_attempts", says, labels=TOOL)
        taken: dict[Any, dict[int, float]] = {place: {} for place in self._limits}
        taken |= self._totals.counted.attempts
        for place, counts in taken.items():
            buckets = [
                (str(most), sum(n for tries, n in counts.items() if tries <= most))
                for most in ATTEMPTS
            ]
            buckets.append(("+Inf", sum(counts.values())))
            family.add_metric(place, buckets, sum(tries * n for tries, n in counts.items()))
        return family

    def _gauges(self) -> Iterator[Metric]:
        totals, running, waiting = self._totals, "Calls that hold a slot.", "Calls in line for one."
        yield _gauge("inbox", "Events by status.", (*HOOK, "status"), totals.inboxes)
        says = "Since when the oldest event is queued, in seconds; 0 where none is."
        yield _gauge("oldest_queued_seconds", says, HOOK, totals.oldest_s)
        yield _gauge("calls_running", running, TOOL, {at: n for at, (n, _) in totals.calls.items()})
        yield _gauge("calls_waiting", waiting, TOOL, {at: n for at, (_, n) in totals.calls.items()})
        says = "How many calls of a workflow may run at once."
        yield _gauge("calls_concurrency", says, TOOL, self._limits)
        resting = {(origin,): float(rests) for origin, rests in totals.circuits.items()}
        says = "Failing origins: 1 while replies to them rest."
        yield _gauge("reply_circuit_open", says, ("origin",), resting)
        paused = {pause.place.partition("/")[::2]: 1.0 for pause in totals.paused}
        says = "Places that operators have paused: 1 each; part is empty for a whole server."
        yield _gauge("paused", says, ("server", "part"), paused)
        firing = {(rule,): float(count) for rule, count in totals.firing.items()}
        says = "In how many places each rule of the alerts fires."
        yield _gauge("alerts_firing", says, ("rule",), firing)
        kinds = Counter(process.partition("-")[0] for process in totals.live_processes)
        alive = {(kind,): float(kinds[kind]) for kind in KINDS}
        yield _gauge("processes_by_kind", "Processes alive, by kind.", ("kind",), alive)
        for name, (says, value) in self._plain().items():
            yield _gauge(name, says, (), {(): value})

    def _plain(self) -> dict[str, tuple[str, float]]:
        totals = self._totals
        memory = {
            "redis_memory_bytes": ("Memory that Redis uses.", "used_memory"),
            "redis_memory_limit_bytes": ("Memory that Redis may use; 0: no limit.", "maxmemory"),
        }
        return {
            "calls_due": ("Calls that wait to be run.", totals.due_calls),
            "calls_unapproved": (
                "Calls that wait until somebody approves of them.",
                totals.unapproved,
            ),
            "call_overdue_seconds": (
                "For how long the call is due that waits longest for a worker.",
                totals.late_s,
            ),
            "replies_dead": ("Replies that are set aside.", totals.dead_replies),
            "replies_due": ("Replies that wait to be sent.", totals.due_replies),
            "sessions": ("Sessions on record, each with its outboxes.", totals.sessions),
            "processes": ("Web, worker and stdio processes alive.", len(totals.live_processes)),
            "store_made_timestamp_seconds": (
                "When the store was made; it changes when the store has lost what it held.",
                totals.made_at_s,
            ),
            "open_streams": ("Streams that this process holds open.", self._open_streams),
        } | {
            name: (says, totals.memory[field])
            for name, (says, field) in memory.items()
            if field in totals.memory
        }


def _gauge(name: str, says: str, labels: tuple[str, ...], values: Values) -> Metric:
    family = GaugeMetricFamily(f"n8n_bridge_{name}", says, labels=labels)
    for place, value in values.items():
        family.add_metric(place, value)
    return family


def registry_of(totals: Totals, open_streams: int, limits: Values) -> CollectorRegistry:
    """Put the snapshot beside what the process itself can tell."""
    registry = CollectorRegistry()
    registry.register(Snapshot(totals, open_streams, limits))
    registry.register(REGISTRY)
    return registry

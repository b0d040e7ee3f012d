"""The numbers: totals of the whole bridge, the same from every web process, and this one's own."""

from collections.abc import Iterable, Iterator

from prometheus_client import PLATFORM_COLLECTOR, PROCESS_COLLECTOR, CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector
from typing_extensions import override

from bridge.configuration.servers import Server
from bridge.models import CallStatus, EventStatus, ReplyStatus
from bridge.store.counters import OPENED, Totals

COUNTERS = {
    "events": ("Transitions of events, by the status reached.", ("server", "hook", "status")),
    "replies": ("Replies that were delivered or are dead.", ("server", "hook", "status")),
    "reply_circuits_opened": ("Times that replies to an origin began to rest.", ("origin",)),
    "calls": ("Calls that have ended, by how.", ("server", "tool", "status")),
}
EVENT_STATUSES = ("delayed", *EventStatus)
REPLY_STATUSES = (ReplyStatus.DELIVERED, ReplyStatus.DEAD)
CALL_STATUSES = (CallStatus.SUCCEEDED, CallStatus.FAILED, CallStatus.CANCELLED)


def zeros(servers: Iterable[Server], origins: Iterable[str]) -> Iterator[tuple[str, ...]]:
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


class Snapshot(Collector):
    """Shows totals that were read a moment ago."""

    def __init__(self, totals: Totals, open_streams: int) -> None:
        self._totals = totals
        self._open_streams = open_streams

    @override
    def collect(self) -> Iterator[Metric]:
        for name, (says, labels) in COUNTERS.items():
            family = CounterMetricFamily(f"n8n_bridge_{name}", says, labels=labels)
            for (counted, *values), total in self._totals.counted.items():
                if counted == name:
                    family.add_metric(values, total)
            yield family
        yield self._durations()
        inbox = GaugeMetricFamily(
            "n8n_bridge_inbox", "Events by status.", labels=("server", "hook", "status")
        )
        for place, size in self._totals.inboxes.items():
            inbox.add_metric(place, size)
        yield inbox
        circuits = GaugeMetricFamily(
            "n8n_bridge_reply_circuit_open",
            "Failing origins: 1 while replies to them rest.",
            labels=("origin",),
        )
        for origin, rests in self._totals.circuits.items():
            circuits.add_metric((origin,), rests)
        yield circuits
        gauges = {
            "calls_due": ("Calls that wait to be run.", self._totals.due_calls),
            "replies_due": ("Replies that wait to be sent.", self._totals.due_replies),
            "processes": ("Web and worker processes alive.", self._totals.live_processes),
            "store_made_timestamp_seconds": (
                "When the store was made; it changes when the store has lost what it held.",
                self._totals.made_at_s,
            ),
            "open_streams": ("Streams that this process holds open.", self._open_streams),
        }
        for name, (says, value) in gauges.items():
            yield GaugeMetricFamily(f"n8n_bridge_{name}", says, value)

    def _durations(self) -> Metric:
        family = SummaryMetricFamily(
            "n8n_bridge_call_duration_seconds",
            "From the start of a call to its end.",
            labels=("server", "tool"),
        )
        counted = self._totals.counted
        for (name, *place), total_ms in counted.items():
            if name == "call_ms":
                ended = sum(n for key, n in counted.items() if key[:3] == ("calls", *place))
                family.add_metric(place, round(ended), total_ms / 1000)
        return family


def registry_of(totals: Totals, open_streams: int) -> CollectorRegistry:
    """Put the snapshot beside what the process itself can tell."""
    registry = CollectorRegistry()
    for collector in (Snapshot(totals, open_streams), PROCESS_COLLECTOR, PLATFORM_COLLECTOR):
        registry.register(collector)
    return registry

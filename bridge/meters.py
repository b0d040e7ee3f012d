"""The numbers that a process keeps of itself, for Prometheus: they begin anew with it.

What is true of the whole bridge is counted in Redis, by the steps that change it.
"""

from prometheus_client import (
    PLATFORM_COLLECTOR,
    PROCESS_COLLECTOR,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    start_http_server,
)

from bridge import __version__
from bridge.errors import ConfigurationError

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
REFUSED_WITH = (400, 401, 403, 404, 405, 406, 408, 409, 413, 415, 421, 422, 429, 431, 500, 503)
CALL_OUTCOMES = ("answered", "not_run", "not_registered", "maybe_run", "refused")
REPLY_OUTCOMES = ("delivered", "again_soon", "again_once", "finished", "dead", "again")

REGISTRY = CollectorRegistry()
"""All of them, and what the system says of the process."""

INGEST = Histogram(
    "n8n_bridge_ingest_seconds",
    "From the head of a hook's request until its event is on disk.",
    buckets=BUCKETS_S,
    registry=REGISTRY,
)
ROUND_TRIP = Histogram(
    "n8n_bridge_redis_round_trip_seconds",
    "From sending steps to Redis to its last answer.",
    buckets=BUCKETS_S,
    registry=REGISTRY,
)
LOOP_LAG = Histogram(
    "n8n_bridge_event_loop_lag_seconds",
    "By how much the event loop was late, looked at every two seconds.",
    buckets=BUCKETS_S,
    registry=REGISTRY,
)
REFUSED = Counter(
    "n8n_bridge_refused",
    "Requests refused, by the status of the answer.",
    ("status",),
    registry=REGISTRY,
)
KEEPALIVES = Counter(
    "n8n_bridge_keepalives",
    "Signs of life written to streams that had nothing else to say.",
    registry=REGISTRY,
)
OUTBOX_FRAMES = Counter(
    "n8n_bridge_outbox_frames",
    "Frames put into outboxes, from which clients may have them again.",
    registry=REGISTRY,
)
CALL_ATTEMPTS = Counter(
    "n8n_bridge_call_outcomes",
    "Attempts of calls, by what n8n's answer was found to mean.",
    ("outcome",),
    registry=REGISTRY,
)
REPLY_ATTEMPTS = Counter(
    "n8n_bridge_reply_outcomes",
    "Attempts to deliver replies, by what n8n's answer was found to mean.",
    ("outcome",),
    registry=REGISTRY,
)
BUILD = Gauge(
    "n8n_bridge_build_info", "1, for the version of the bridge.", ("version",), registry=REGISTRY
)


def show_meters(host: str, port: int) -> None:
    """Serve the numbers of this process from a thread of its own, until the process ends.

    Raises:
        ConfigurationError: the port is taken, or the address is not this machine's.
    """
    try:
        start_http_server(port, host, REGISTRY)
    except OSError as error:
        fault = f"--metrics-port: {host}:{port} cannot be listened on: {error.strerror}"
        raise ConfigurationError((fault,)) from error


def _begin_at_zero() -> None:
    """Show each series from the start: a rise from nothing is no rise to an alarm."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    for status in REFUSED_WITH:
        REFUSED.labels(str(status))
    for outcome in CALL_OUTCOMES:
        CALL_ATTEMPTS.labels(outcome)
    for outcome in REPLY_OUTCOMES:
        REPLY_ATTEMPTS.labels(outcome)
    BUILD.labels(__version__).set(1)
    for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR):
        REGISTRY.register(collector)


_begin_at_zero()

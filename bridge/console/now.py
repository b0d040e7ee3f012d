"""How things stand now: what waits and runs, what is wrong, what the last hour or day brought."""

from collections import Counter

from starlette.responses import Response

from bridge.console.plots import Plot, Slots, bars, levels, lines, seconds
from bridge.console.visits import Visit
from bridge.models import EventStatus
from bridge.store.counters import Totals
from bridge.store.histograms import Histogram
from bridge.verbs.charts import Chart
from bridge.verbs.findings import Findings, LastFindings
from bridge.verbs.presence import Attendance

P50, P99 = 0.5, 0.99
LISTS = {
    "events queued": "events?status=queued",
    "events leased": "events?status=leased",
    "events dead": "events?status=dead",
    "calls running": "calls?status=running",
    "calls waiting": "calls?status=queued",
    "replies due": "replies?status=pending",
}
"""Where those stand that a number counts."""


async def show_now(visit: Visit) -> Response:
    """Show how things stand, beside the charts of an hour or a day (`window=day`)."""
    runtime = visit.runtime
    servers = runtime.servers.values()
    totals = await runtime.health.totals(
        [(server.name, hook) for server in servers for hook in server.hooks],
        [(server.name, workflow) for server in servers for workflow in server.workflows],
    )
    is_day = visit.request.query_params.get("window") == "day"
    findings = await _findings(visit)
    chart = await (runtime.health.last_day() if is_day else runtime.health.last_hour())
    return visit.page(
        "now.html",
        standing=_standing(totals),
        unapproved=totals.unapproved,
        lists=LISTS,
        processes={"web": 0, "worker": 0}
        | Counter(name.partition("-")[0] for name in totals.live_processes),
        takers=await Attendance.of(visit.process.steps).takers(servers),
        findings=findings,
        troubles=await runtime.troubles.of(totals),
        is_day=is_day,
        plots=_plots(chart, "quarter of an hour" if is_day else "minute"),
    )


async def _findings(visit: Visit) -> LastFindings:
    """Return what was found wrong at the last look; where another is due, it begins beside."""
    findings = Findings.of(visit.process.steps, visit.runtime.settings, visit.runtime.servers)
    last = await findings.last()
    if last.is_due:
        visit.request.app.mcp.tasks.start(findings.look())
    return last


def _standing(totals: Totals) -> dict[str, str]:
    """Return the numbers of this moment by what they count."""
    waiting = Counter[str]()
    for (_, _, status), size in totals.inboxes.items():
        waiting[status] += size
    oldest_s = max(totals.oldest_s.values(), default=0)
    running = sum(running for running, _ in totals.calls.values())
    in_turn = sum(in_turn for _, in_turn in totals.calls.values())
    return {
        "events queued": f"{waiting[EventStatus.QUEUED]:,}",
        "events for later": f"{waiting['delayed']:,}",
        "events leased": f"{waiting[EventStatus.LEASED]:,}",
        "events dead": f"{waiting[EventStatus.DEAD]:,}",
        "oldest queued": seconds(oldest_s) if oldest_s else "none",
        "calls running": f"{running:,}",
        "calls waiting": f"{totals.due_calls + in_turn:,}",
        "replies due": f"{totals.due_replies:,}",
        "sessions": f"{totals.sessions:,}",
    }


def _plots(chart: Chart, slot: str) -> list[Plot]:
    slots = Slots(chart.began_at_s, chart.slot_s)
    failed = chart.counts("calls", None, None, "failed")
    ended = chart.counts("calls", None, None, None)
    return [
        bars(
            f"Events each {slot}", slots, {"queued": chart.counts("events", None, None, "queued")}
        ),
        bars(
            f"Events settled each {slot}",
            slots,
            {
                "answered": chart.counts("events", None, None, "answered"),
                "dead": chart.counts("events", None, None, "dead"),
                "expired": chart.counts("events", None, None, "expired"),
            },
        ),
        bars(
            f"Calls ended each {slot}",
            slots,
            {
                "succeeded": [all_ - bad for all_, bad in zip(ended, failed, strict=True)],
                "failed": failed,
            },
        ),
        levels(f"Events that waited as each {slot} ended", slots, {"waiting": chart.backlog()}),
        _times(chart, "From an event to who takes it", "queue", None, None),
        _times(chart, "From a call's start to its end", "call", None, None),
    ]


def _times(chart: Chart, title: str, name: str, *labels: str | None) -> Plot:
    both = {
        "p50": chart.quantiles_s(P50, name, *labels),
        "p99": chart.quantiles_s(P99, name, *labels),
    }
    together = Histogram()
    for slot in chart.slots:
        for (own, *_), histogram in slot.histograms.items():
            for class_, count in histogram.classes.items() if own == name else ():
                together.add(class_, count)
    p50, p99 = together.quantile_s(P50), together.quantile_s(P99)
    total = f"p50 {seconds(p50)}, p99 {seconds(p99)}" if p50 is not None and p99 is not None else ""
    return lines(title, both, total)

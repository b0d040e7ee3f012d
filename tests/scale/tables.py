"""The tables of docs/scale.md, each computed from what was measured."""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median

from tests.bench.figures import number
from tests.bench.limits import read_limits
from tests.bench.results import read_results
from tests.scale.costs import Measured, call, flush_s, hook, measured, turn_s
from tests.scale.simulation import LOAD, N8N, STORE, WEB, WORKER, Outcome, Part, Run, Site

CHECKED = (("hook", 64), ("hook", 16), ("call", 50), ("call", 8))
"""Units and clients whose measured rate the simulation must come near."""

MAKERS: Mapping[str, Callable[[Measured], Sequence[Part]]] = {"hook": hook, "call": call}
CORES = 2
FOR_S, LARGE_FOR_S = 10.0, 1.0
DAY_S = 86400
BILLION = 1e9
PEAK = 3
"""How much more than its mean a day's busiest hour brings."""

FULL_SHARE = 0.6
"""How far a Valkey is to be loaded: the rest is for bursts, sweeps and writing its log anew."""

TRUE_FLUSH_S = 0.001
"""A flush on a disk that does not answer from a cache, of the quick kind."""

Table = tuple[Sequence[str], Sequence[Sequence[str]]]


def predicted(unit: str, clients: int) -> Outcome:
    """Simulate a load of the row `costs` on the machine that it was measured on."""
    site = Site(
        processes={LOAD: 1, WEB: 1, WORKER: 1, N8N: 1},
        cores=CORES,
        is_shared=True,
        flush_s=flush_s(),
        turn_cpu_s=turn_s() if unit == "hook" else 0,
    )
    return Run(site, MAKERS[unit](measured(unit, clients))).closed(clients, FOR_S)


def check() -> Table:
    """Put what is predicted beside what was measured."""
    lines = []
    for unit, clients in CHECKED:
        truth, found = measured(unit, clients), predicted(unit, clients)
        rates = (number(truth.per_s), number(found.per_s))
        waits = (number(truth.p50_ms), number(found.p50_ms))
        lines.append([f"{unit}, {clients} clients", *rates, *waits])
    return (
        ("load", "measured, a second", "predicted", "measured, p50 ms", "predicted"),
        lines,
    )


def primary() -> Table:
    """Compute what one Valkey takes in at most, by the events a turn and the time of a flush."""
    step_s = _primary("batches of 64: events, ms of Valkey's CPU each") / 1000
    lines = []
    for size in (1, 16, 64, 256):
        cells = [number(1 / (step_s + (turn_s() + flush) / size)) for flush in _flushes()]
        lines.append([f"{size}", *cells])
    return (("events a turn", "events/s, this disk", "events/s, a flush of 1 ms"), lines)


def one_box() -> Table:
    """Simulate web processes beside one Valkey, with as many cores as they can use."""
    lines = []
    for webs in (1, 2, 4, 8, 16):
        cells = []
        for flush in _flushes():
            found = _ingest(webs, flush)
            a_day = f"{found.per_s * DAY_S / BILLION:.2f}"
            cells += [number(found.per_s), a_day, number(found.steps_a_turn)]
        lines.append([f"{webs}", *cells])
    return (
        (
            *("web processes", "events/s", "10⁹ a day", "a turn"),
            *("events/s, a flush of 1 ms", "10⁹ a day", "a turn"),
        ),
        lines,
    )


def calls() -> Table:
    """Simulate calls by more web processes and workers beside one Valkey."""
    costs = measured("call", 50)
    lines = []
    for count in (1, 2, 4, 8):
        site = Site({LOAD: 4, WEB: count, WORKER: count, N8N: 8}, 32, False, flush_s(), 0)
        found = Run(site, call(_unslowed(costs))).closed(50 * count, LARGE_FOR_S)
        busy = [f"{found.busy[role]:.0%}" for role in (WEB, WORKER, STORE)]
        lines.append([f"{count} and {count}", number(found.per_s), number(found.p50_ms), *busy])
    return (
        ("webs and workers", "calls/s", "p50 ms", "web's core", "worker's core", "Valkey's core"),
        lines,
    )


def fan_out() -> Table:
    """Compute what a signal to every process takes of Valkey, a signal an event."""
    few, many = (_primary(f"a signal to {n} processes, ms of Valkey's CPU") for n in (8, 64))
    each = max(0.0, many - few) / (64 - 8)
    lines = []
    for processes in (2, 8, 32, 128):
        cost_ms = few + each * (processes - 8)
        cells = [f"{per_s * cost_ms / 1000:.0%}" for per_s in (100, 1000, 10_000)]
        lines.append([f"{processes}", f"{max(cost_ms, 0):.4f}", *cells])
    return (
        ("processes", "ms of Valkey a signal", "100 signals/s", "1,000/s", "10,000/s"),
        lines,
    )


def shards() -> Table:
    """Compute how many bridges, one Redis each, a number of events a day takes."""
    capacity = _ingest(16, TRUE_FLUSH_S).per_s * FULL_SHARE
    kib = _primary("memory of Valkey an event, KiB")
    log = read_limits()["hook"]["log_bytes"]
    lines = []
    for a_day in (1e7, 1e8, 1e9, 1e10):
        per_s = a_day / DAY_S
        memory_gib = per_s * 3600 * kib / 1024**2
        lines.append(
            [
                f"{a_day:,.0f}",
                number(per_s),
                f"{max(1, math.ceil(per_s * PEAK / capacity))}",
                number(memory_gib),
                number(per_s * log / 1e6),
            ]
        )
    return (
        (
            *("events a day", "a second, mean", "bridges for three times that"),
            *("GiB for each hour kept", "MB/s of log"),
        ),
        lines,
    )


TABLES: Mapping[str, Callable[[], Table]] = {
    "check": check,
    "primary": primary,
    "one box": one_box,
    "calls": calls,
    "fan-out": fan_out,
    "shards": shards,
}


def with_tables(text: str) -> str:
    """Return the page with each of its tables computed anew."""
    pattern = re.compile(r"(<!-- table: ([\w -]+) -->\n).*?(<!-- end -->\n)", re.DOTALL)
    return pattern.sub(lambda found: found[1] + "".join(_lines(found[2])) + found[3], text)


def _lines(name: str) -> Iterator[str]:
    head, rows = TABLES[name]()
    yield f"| {' | '.join(head)} |\n"
    yield f"|{'---|' + '---:|' * (len(head) - 1)}\n"
    for row in rows:
        yield f"| {' | '.join(row)} |\n"


def _ingest(webs: int, flush: float) -> Outcome:
    costs = _unslowed(measured("hook", 64))
    step_s = _primary("batches of 64: events, ms of Valkey's CPU each") / 1000
    parts = [Part(STORE, step_s, WEB) if part.where == STORE else part for part in hook(costs)]
    site = Site({LOAD: webs, WEB: webs}, 64, False, flush, turn_s())
    return Run(site, parts).closed(64 * webs, LARGE_FOR_S)


def _unslowed(costs: Measured) -> Measured:
    """Take away what else ran on the machine while costs were measured."""
    return Measured(**{**vars(costs), "slowed": 1.0})


def _flushes() -> tuple[float, float]:
    return flush_s(), TRUE_FLUSH_S


def _primary(figure: str) -> float:
    figures = read_results()["primary"].row.figures
    return next(median(each.ours) for each in figures if each.name == figure)

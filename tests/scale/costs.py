"""What was measured, as the simulation takes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench.costs import OTHERS
from tests.bench.results import Result, read_results
from tests.scale.simulation import LOAD, N8N, STORE, WEB, WORKER, Part

STEPS_OF_CALL = ((WEB, 0.3), (WORKER, 0.25), (WORKER, 0.25), (WORKER, 0.2))
"""A call's steps in series (made, moved, sent, ended), by whose they are, and shares of cost."""

BEFORE = 0.7
"""What of a web process's work on a request lies before its step."""


@dataclass(frozen=True)
class Measured:
    """What one unit of work by so many clients took of each process, and how fast it went.

    `slowed` is how much longer a second of work took for what else ran on the machine.
    """

    per_s: float
    p50_ms: float
    load_s: float
    web_s: float
    worker_s: float
    store_s: float
    n8n_s: float
    slowed: float


def measured(unit: str, clients: int, results: Result | None = None) -> Measured:
    """Return what the row `costs` has of a unit (`hook`, `call`) at so many clients."""
    row = (results or read_results()["costs"]).row
    found = {each.name: median(each.ours) for each in row.figures}

    def of(what: str) -> float:
        return found[f"{unit}, {clients} at once: {what}"]

    spent = {name: of(f"ms of CPU in {name}") / 1000 for name in (LOAD, WEB, WORKER, STORE, N8N)}
    return Measured(
        per_s=of("a second"),
        p50_ms=of("p50 ms"),
        load_s=spent[LOAD],
        web_s=spent[WEB],
        worker_s=spent[WORKER],
        store_s=spent[STORE],
        n8n_s=spent[N8N],
        slowed=1 / (1 - of(OTHERS)),
    )


def flush_s() -> float:
    """Return how long a flush of the disk took while costs were measured."""
    return read_results()["costs"].flush_ms / 1000


def turn_s() -> float:
    """Return what a turn takes of Valkey beside the steps in it: what batches of one take more."""
    found = {each.name: median(each.ours) for each in read_results()["primary"].row.figures}
    one, many = (found[f"batches of {size}: events, ms of Valkey's CPU each"] for size in (1, 64))
    return max(0.0, one - many) / 1000


def hook(costs: Measured) -> Sequence[Part]:
    """Return the parts of a hook request: its client, its web process, one step, its answer."""
    slow = costs.slowed
    return (
        Part(LOAD, costs.load_s * slow),
        Part(WEB, costs.web_s * BEFORE * slow),
        Part(STORE, costs.store_s * slow, WEB),
        Part(WEB, costs.web_s * (1 - BEFORE) * slow),
    )


def call(costs: Measured) -> Sequence[Part]:
    """Return the parts of a call: made by web, moved, sent and ended by the worker, answered."""
    slow = costs.slowed
    steps = [Part(STORE, costs.store_s * share * slow, role) for role, share in STEPS_OF_CALL]
    made, moved, sent, ended = steps
    worker = Part(WORKER, costs.worker_s / 3 * slow)
    return (
        Part(LOAD, costs.load_s * slow),
        Part(WEB, costs.web_s * BEFORE * slow),
        made,
        worker,
        moved,
        worker,
        sent,
        Part(N8N, costs.n8n_s * slow),
        worker,
        ended,
        Part(WEB, costs.web_s * (1 - BEFORE) * slow),
    )

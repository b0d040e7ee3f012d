"""What a tool call costs that does nothing: through queue, worker and n8n, and back."""

from collections.abc import Iterator, Sequence

from tests.bench.figures import Figure, Row
from tests.bench.load import Load, Question, Side, figures_of, in_turns
from tests.bench.scale import Scale
from tests.bench.stage import set_up
from tests.bench.tool_call import STATELESS_VERSION, calls

BY_HAND, NOOP = "by hand", "no-op in fastmcp"
GOALS = {1: {"p50_ms": 2.5}, 50: {"per_s": 1.0}}


async def measure(scale: Scale) -> Row:
    """Call a workflow over the bridge, the same by hand, and a tool that asks nobody."""
    figures: list[Figure] = []
    async with (
        set_up() as stage,
        stage.web() as web,
        stage.worker() as worker,
        stage.peer("call", stage.n8n_url) as peer,
    ):
        pids = (web.pid, worker.pid, stage.valkey_pid)
        sides = (
            Side("bridge", web.port, calls("/mcp/demo", "slow_tool"), pids),
            Side(BY_HAND, peer.port, _peers("by_hand"), (peer.pid,)),
            Side(NOOP, peer.port, _peers("noop"), (peer.pid,)),
        )
        for clients in scale.sessions:
            figures += _figures(clients, await in_turns(sides, clients, scale))
    return Row(
        "A tool call that does nothing",
        "`tools/call` over raw keep-alive HTTP. The bridge (2026-07-28 wire) puts the call on "
        "disk, signals a worker through RQ, which posts to the stand-in for n8n; the answer comes "
        "back the same way. *By hand*: a fastmcp tool (stateless, JSON) that posts to the same "
        "webhook "
        "and keeps nothing. *No-op*: a tool in the same server that asks nobody.",
        figures,
        (
            "CPU is that of all processes that serve, Valkey included and the stand-in not. The "
            "peers keep nothing: what the bridge takes more is the price of a call that outlives "
            "its connection, its web process and its worker.",
        ),
    )


def _peers(tool: str) -> Iterator[Question]:
    return calls("/mcp", tool, version=STATELESS_VERSION)


def _figures(clients: int, loads: Sequence[Sequence[Load]]) -> list[Figure]:
    ours, by_hand, noop = loads
    what = f"{clients} at once: calls"
    goals = GOALS.get(clients, {})
    measures = ("per_s", "p50_ms", "p99_ms", "cpu_ms")
    return [
        *figures_of(what, ours, BY_HAND, by_hand, measures, **goals),
        *figures_of(what, ours, NOOP, noop, ("per_s", "p50_ms")),
    ]

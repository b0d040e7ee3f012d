"""What a tool costs that only looks into the store: no worker and no n8n."""

from tests.bench.figures import Figure, Row
from tests.bench.load import Side, figures_of, in_turns
from tests.bench.scale import Scale
from tests.bench.stage import set_up
from tests.bench.tool_call import STATELESS_VERSION, calls, looks

NOOP = "no-op in fastmcp"
GOALS = {1: {"p50_ms": 0.7}}


async def measure(scale: Scale) -> Row:
    """Look at the calls there are (none), and call a tool that asks nobody."""
    figures: list[Figure] = []
    async with (
        set_up() as stage,
        stage.web() as web,
        stage.peer("call", stage.n8n_url) as peer,
    ):
        sides = (
            Side("bridge", web.port, looks("/mcp/demo"), (web.pid, stage.valkey_pid)),
            Side(
                NOOP,
                peer.port,
                calls("/mcp", "noop", version=STATELESS_VERSION),
                (peer.pid,),
            ),
        )
        for clients in scale.sessions:
            ours, theirs = await in_turns(sides, clients, scale)
            measures = ("per_s", "p50_ms", "p99_ms", "cpu_ms")
            what = f"{clients} at once: calls"
            figures += figures_of(what, ours, NOOP, theirs, measures, **GOALS.get(clients, {}))
    return Row(
        "A tool that only looks",
        "`list_calls` on the 2026-07-28 wire, which reads Valkey once; beside it a tool of fastmcp "
        "(stateless, JSON) that returns its argument.",
        figures,
    )

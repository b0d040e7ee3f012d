"""Row 2: what a tool call costs that does nothing: through queue, worker and n8n, and back."""

from tests.bench.figures import Figure, Row
from tests.bench.load import Load, figures_of, press
from tests.bench.scale import Scale
from tests.bench.stage import set_up
from tests.bench.tool_call import calls

PEER = "fastmcp, a tool in its own process"


async def measure(scale: Scale) -> Row:
    """Call a workflow that answers at once, and a tool that never leaves its server."""
    figures: list[Figure] = []
    async with (
        set_up() as stage,
        stage.web() as web,
        stage.worker(),
        stage.peer("call") as peer,
    ):
        ours, theirs = calls("/mcp/demo", "slow_tool"), calls("/mcp", "slow_tool")
        for sessions in scale.sessions:
            sides: tuple[list[Load], list[Load]] = ([], [])
            for _ in range(scale.rounds):
                for port, questions, loads in (
                    (web.port, ours, sides[0]),
                    (peer.port, theirs, sides[1]),
                ):
                    await press(port, sessions, scale.warm_s, questions)
                    loads.append(await press(port, sessions, scale.load_s, questions))
            figures += figures_of(f"{sessions} at once: calls", sides[0], PEER, sides[1])
    return Row(
        "A tool call that does nothing",
        "`tools/call` on the 2026-07-28 wire over raw keep-alive HTTP. The bridge puts the call on "
        "disk, signals a worker through RQ, which posts to the stand-in for n8n; the answer comes "
        "back the same way.",
        figures,
        (
            "The peer keeps nothing and asks nobody: the ratio is the price of a call that "
            "outlives its connection, its web process and its worker.",
        ),
    )

"""What it costs to learn what became of answers over stdio."""

import os

from bridge.mcp.wires.pipes import LinesIn, LinesOut
from bridge.mcp.wires.stdio_acks import StdioAcks
from bridge.runtime import Runtime
from tests.bench.counting import ValkeyCounter, between

ANSWERS = 100


async def test_all_answers_that_a_client_has_read_are_settled_together(web: Runtime) -> None:
    """One by one, each request of a busy client waited for a hundred round trips."""
    ours_in, to_bridge = os.pipe()
    from_bridge, ours_out = os.pipe()
    acks = StdioAcks(web.mcp.acks, LinesIn(ours_in, 1000), LinesOut(ours_out))
    for number in range(ANSWERS):
        await acks.write(b"{}", f"attached call_{number}")
    os.read(from_bridge, 1 << 16)
    os.close(to_bridge)
    counter = await ValkeyCounter.of(web.redis)
    before = await counter.settled()
    await acks.settle_the_rest()
    spent = between(before, await counter.settled())
    for descriptor in (ours_in, from_bridge, ours_out):
        os.close(descriptor)
    assert spent["redis_commands"] >= ANSWERS
    assert spent["round_trips"] < ANSWERS / 10

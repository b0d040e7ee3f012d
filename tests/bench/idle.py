"""Ten thousand idle streams on one process, and what a call beside them feels of it."""

import asyncio
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from tests.bench.connection import Connection, spell
from tests.bench.figures import Figure, Goal, Row
from tests.bench.listeners import OPENING, Listener, streams
from tests.bench.load import Load, Question, press
from tests.bench.memory import resident_kb
from tests.bench.program import Program
from tests.bench.scale import Scale
from tests.bench.stage import CLAUDE, set_up
from tests.bench.tool_call import looks

TOLD = 1200
"""So often each stalled stream is told the list of tools: 8 MB.

Linux takes 4 MB off the process for a client that does not read (tcp(7), tcp_wmem), and of a client
for which the system holds all the process knows nothing.
"""

CUT_WITHIN_S = 10.0
"""How long after the row's time a stalled stream may still be held."""

KEEPALIVE_S, DRAIN_S = 15, 30
POLL_S = 0.02
KIB_A_STREAM = 16.0
PEERS = {"bare": "a hand-written server", "plain": "Starlette's StreamingResponse"}
ALONE, SPACING, DRAIN = "with no stream open", "BRIDGE_KEEPALIVE_S", "BRIDGE_DRAIN_S"


@dataclass(frozen=True)
class Idled:
    """What so many idle streams have cost."""

    kb_a_stream: float
    per_s: float
    alone: Load
    beside: Load
    longest_s: float
    ends_s: float


async def measure(scale: Scale) -> Row:
    """Open the streams, look at a call beside them, end the process; and open them on peers."""
    rounds: list[Idled] = []
    held: dict[str, list[float]] = {kind: [] for kind in PEERS}
    async with set_up() as stage:
        for _ in range(min(scale.rounds, 2)):
            await stage.clear()
            async with stage.web() as web:
                rounds.append(await _idle(web, scale))
            for kind, found in held.items():
                async with stage.peer("idle", kind) as peer:
                    found.append(await _held_kb(peer, scale))
    return Row(
        "Ten thousand idle streams",
        f"{scale.idle_streams} HTTP+SSE streams on one web process, idle for "
        f"{scale.idle_for_s:g} s while one client calls `list_calls` in turn; then SIGTERM. "
        f"{scale.stalled} more are told some MB each and do not read; they are cut meanwhile.",
        (
            *(
                Figure(
                    "resident memory a stream, KiB",
                    [each.kb_a_stream for each in rounds],
                    PEERS[kind],
                    found,
                    goal=Goal(KIB_A_STREAM, is_ratio=False),
                )
                for kind, found in held.items()
            ),
            Figure(
                "a call's p50 ms",
                [each.beside.p50_ms for each in rounds],
                ALONE,
                [each.alone.p50_ms for each in rounds],
            ),
            Figure(
                "a call's p99 ms",
                [each.beside.p99_ms for each in rounds],
                ALONE,
                [each.alone.p99_ms for each in rounds],
            ),
            Figure(
                "longest silence on any stream, s",
                [each.longest_s for each in rounds],
                SPACING,
                [KEEPALIVE_S],
            ),
            Figure(
                "from SIGTERM to the end, s", [each.ends_s for each in rounds], DRAIN, [DRAIN_S]
            ),
        ),
        (_said("Streams opened/s", [each.per_s for each in rounds]),),
    )


async def _held_kb(peer: Program, scale: Scale) -> float:
    """Return the memory that each stream takes of a peer, keepalives included."""
    async with streams(peer.port, OPENING) as first:
        before_kb = resident_kb(peer.pid)
        async with streams(peer.port, scale.idle_streams) as listeners:
            await asyncio.sleep(min(scale.idle_for_s, KEEPALIVE_S + 1))
            assert not any(each.ended.done() for each in (*first, *listeners))
            return max(resident_kb(peer.pid) - before_kb, 0.1) / len(listeners)


def _said(what: str, samples: list[float]) -> str:
    return f"{what}: " + ", ".join(f"{sample:.1f}" for sample in samples) + "."


async def _idle(web: Program, scale: Scale) -> Idled:
    alone = await press(web.port, 1, scale.load_s, looks("/mcp/demo"))
    before_kb, began = resident_kb(web.pid), perf_counter()
    async with (
        streams(web.port, scale.idle_streams) as listeners,
        streams(web.port, scale.stalled) as stalled,
    ):
        took_s = perf_counter() - began
        await _stall(web.port, stalled)
        beside = await press(web.port, 1, scale.idle_for_s, looks("/mcp/demo"))
        grown_kb = resident_kb(web.pid) - before_kb
        now = perf_counter()
        assert not any(listener.ended.done() for listener in listeners), "a stream has ended"
        await _all_cut(stalled)
        longest_s = max(max(each.longest_s, now - each.heard_at) for each in listeners)
        ends_s = await _end(web, listeners)
    count = len(listeners)
    return Idled(grown_kb / count, count / took_s, alone, beside, longest_s, ends_s)


async def _stall(port: int, stalled: list[Listener]) -> None:
    """Have these streams told more than anybody holds for them, and read none of it."""
    poster = await Connection.open(port)
    for listener in stalled:
        listener.transport.pause_reading()
        for count in range(TOLD):
            message = {"jsonrpc": "2.0", "id": count, "method": "tools/list"}
            await Question(spell("POST", listener.address, CLAUDE, message), 202, b"").done(poster)
    poster.close()


async def _all_cut(stalled: list[Listener]) -> None:
    """See that the process holds none of these streams any more; to hear of it they must read."""
    for listener in stalled:
        listener.transport.resume_reading()
    async with asyncio.timeout(CUT_WITHIN_S):
        await asyncio.gather(*(listener.ended for listener in stalled))


async def _end(web: Program, listeners: list[Listener]) -> float:
    """Tell the process to stop; returns how long it took until it and all its streams had ended."""
    began = perf_counter()
    os.kill(web.pid, signal.SIGTERM)
    while Path(f"/proc/{web.pid}").exists():
        await asyncio.sleep(POLL_S)
    await asyncio.gather(*(listener.ended for listener in listeners))
    return perf_counter() - began

"""What an idle HTTP+SSE session costs the process that holds its stream open."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from tests.bench.connection import HOST, Connection, spell
from tests.bench.figures import Figure, Row
from tests.bench.load import Question
from tests.bench.memory import resident_kb
from tests.bench.program import Program
from tests.bench.scale import Scale
from tests.bench.stage import CLAUDE, set_up

PEER = "mcp's SseServerTransport"
OPENERS = 20
"""Clients that open streams one after the other; the first stream of each is not counted."""

HELLO: Mapping[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2024-11-05",
        "capabilities": {},
        "clientInfo": {"name": "bench", "version": "1"},
    },
}
READY = {"jsonrpc": "2.0", "method": "notifications/initialized"}


@dataclass(frozen=True)
class Opened:
    """What many idle streams cost."""

    kb_a_stream: float
    per_s: float


async def measure(scale: Scale) -> Row:
    """Open as many idle sessions on a fresh process of either kind."""
    ours: list[Opened] = []
    theirs: list[Opened] = []
    async with set_up() as stage:
        for _ in range(scale.rounds):
            await stage.clear()
            async with stage.web() as web:
                ours.append(await _open(web, scale))
            async with stage.peer("streams") as peer:
                theirs.append(await _open(peer, scale))
    return Row(
        "Idle streams",
        f"{scale.streams} HTTP+SSE sessions on one web process, each with its handshake done, "
        f"opened by {OPENERS} clients at once, then idle for {scale.idle_s:g} s, keepalives "
        "included.",
        (
            Figure(
                "resident memory a stream, KB",
                [each.kb_a_stream for each in ours],
                PEER,
                [each.kb_a_stream for each in theirs],
            ),
            Figure(
                "sessions opened/s",
                [each.per_s for each in ours],
                PEER,
                [each.per_s for each in theirs],
                more_is_better=True,
            ),
        ),
        (
            "The bridge keeps each session in Valkey as well, so that any web process can go on "
            "with it; the peer's sessions end with their process.",
        ),
    )


async def _open(program: Program, scale: Scale) -> Opened:
    async with contextlib.AsyncExitStack() as stack:
        posters = [await Connection.open(program.port) for _ in range(OPENERS)]
        for poster in posters:
            stack.callback(poster.close)

        async def open_some(poster: Connection, count: int) -> list[asyncio.StreamReader]:
            return [
                await stack.enter_async_context(session(program.port, poster)) for _ in range(count)
            ]

        await asyncio.gather(*(open_some(poster, 1) for poster in posters))
        before_kb, began = resident_kb(program.pid), perf_counter()
        share = scale.streams // OPENERS
        opened = await asyncio.gather(*(open_some(poster, share) for poster in posters))
        took_s = perf_counter() - began
        await asyncio.sleep(scale.idle_s)
        grown_kb = resident_kb(program.pid) - before_kb
        streams = [stream for some in opened for stream in some]
        assert not any(stream.at_eof() for stream in streams), "a stream has ended"
        return Opened(grown_kb / len(streams), len(streams) / took_s)


@contextlib.asynccontextmanager
async def session(port: int, poster: Connection) -> AsyncIterator[asyncio.StreamReader]:
    """Open one session and keep its stream open; what is posted goes over another connection."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(spell("GET", "/sse/demo", {**CLAUDE, "accept": "text/event-stream"}))
        address = await _data(reader)
        for message in (HELLO, READY):
            question = Question(spell("POST", address, CLAUDE, message), 202, b"")
            await question.done(poster)
            if "id" in message:
                assert '"serverInfo"' in await _data(reader)
        yield reader
    finally:
        writer.transport.abort()


async def _data(reader: asyncio.StreamReader) -> str:
    """Read on to the data of the next event."""
    async for line in reader:
        if line.startswith(b"data: "):
            return line.removeprefix(b"data: ").decode().strip()
    raise ConnectionResetError("the stream has ended")

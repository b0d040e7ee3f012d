"""How long it takes until the bridge is there."""

import asyncio
import contextlib
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from bridge.local.ports import free_port
from tests.bench.connection import Connection, spell
from tests.bench.figures import Figure, Goal, Row
from tests.bench.program import POLL_S, ROOT, running
from tests.bench.scale import Scale

READY = spell("GET", "/readyz", {})
BARE = "python -c pass"


async def measure(scale: Scale) -> Row:
    """Start all of it in an empty folder, and ask the command for help."""
    takes = {_up: list[float](), _help: list[float](), _bare: list[float]()}
    for _ in range(scale.rounds):
        for start, found in takes.items():
            found.append(await start())
    ups, helps, bares = takes.values()
    return Row(
        "Start",
        "`n8n-bridge up` in an empty data folder (Valkey, stand-in, web, worker) until `/readyz` "
        "answers 200; `n8n-bridge --help` until it has ended.",
        (
            Figure("up until ready, s", ups, BARE, bares, goal=Goal(2, is_ratio=False)),
            Figure("--help, s", helps, BARE, bares, goal=Goal(0.25, is_ratio=False)),
        ),
    )


async def _up() -> float:
    """Return how long it takes until the bridge is ready for requests."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder, port = Path(name), free_port()
        environ = {
            "BRIDGE_DATA_DIR": str(folder / "data"),
            "BRIDGE_PORT": str(port),
            "BRIDGE_SERVERS": str(ROOT / "config" / "servers"),
        }
        began = perf_counter()
        async with running("bridge", "up", environ=environ, log=folder / "up.log"):
            while not await _is_ready(port):
                await asyncio.sleep(POLL_S)
            return perf_counter() - began


async def _is_ready(port: int) -> bool:
    with contextlib.suppress(OSError):
        connection = await Connection.open(port)
        answer = await connection.ask(READY)
        connection.close()
        return answer.status == 200
    return False


async def _help() -> float:
    return await _ended("-m", "bridge", "--help")


async def _bare() -> float:
    return await _ended("-c", "pass")


async def _ended(*arguments: str) -> float:
    began = perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=ROOT, stdout=asyncio.subprocess.DEVNULL
    )
    assert await process.wait() == 0
    return perf_counter() - began

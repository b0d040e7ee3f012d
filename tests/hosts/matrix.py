"""Hosts, wires, journeys: what is tried, and what was seen."""

import asyncio
import contextlib
import functools
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from os import pathsep
from pathlib import Path

from tests.bridge_processes import Bridge, running_bridge
from tests.hosts.claude_code import claude_code
from tests.hosts.host import STDIO, Connect, HostError
from tests.hosts.journeys import JOURNEYS, Scene
from tests.hosts.links import linking
from tests.hosts.n8n_node import n8n_node
from tests.hosts.one_shot import inspector, langchain, mcporter
from tests.hosts.python_sdk import python_sdk
from tests.hosts.typescript_sdk import typescript_sdk
from tests.n8n.real import API_KEY, URL

HOSTS = (CLAUDE_CODE, PYTHON_SDK, TYPESCRIPT, INSPECTOR, MCPORTER, LANGCHAIN, N8N_NODE) = (
    "claude-code",
    "python-sdk",
    "typescript",
    "inspector",
    "mcporter",
    "langchain",
    "n8n-node",
)
HTTP = ("/mcp", "/mcp-2025", "/sse")
WIRES = (*HTTP, STDIO)
BREAKS = frozenset({"drop", "restart", "takeover"})
UNBROKEN = BREAKS - {"drop"}
"""What breaks no pipe: only the death of the program does."""

SERVERS = Path(__file__).parent / "servers"
REASON_CHARS = 2000


@dataclass(frozen=True)
class Way:
    """A host on a wire; `resumes` names journeys on which it takes up by itself what broke off."""

    host: str
    wire: str
    connect: Connect
    resumes: frozenset[str] = frozenset()
    journeys: tuple[str, ...] = tuple(JOURNEYS)


@dataclass(frozen=True)
class Seen:
    """How one journey went on one way."""

    way: Way
    journey: str
    line: str
    is_fault: bool
    took_s: float


def every_way(clients: Path) -> Iterator[Way]:
    """Name every host on every wire; `clients` holds the programs that are not Python's.

    Raises:
        HostError: a program is missing.
    """
    claude = functools.partial(claude_code, program(clients, "claude"))
    look = functools.partial(inspector, program(clients, "mcp-inspector"))
    for wire in WIRES:
        # On the 2026 wire `claude -p` gives a call up when its connection breaks.
        goes_on = frozenset[str]() if wire == "/mcp" else BREAKS
        yield Way(CLAUDE_CODE, wire, claude, UNBROKEN if wire == STDIO else goes_on)
    for wire in WIRES:
        yield Way(PYTHON_SDK, wire, python_sdk, unbroken(wire))
    for wire in WIRES:
        # There the next call may go on another connection, which proves nothing yet.
        is_told = wire in ("/mcp", "/sse")
        some = tuple(name for name in JOURNEYS if not (is_told and name == "twice-meant"))
        yield Way(TYPESCRIPT, wire, typescript_sdk, unbroken(wire), some)
    for wire in WIRES:
        yield Way(INSPECTOR, wire, look, unbroken(wire))
    yield from ways_of_others(clients)


def ways_of_others(clients: Path) -> Iterator[Way]:
    """Name the hosts that connect for each call and need not be there, where they are."""
    connecting: dict[str, Connect] = {}
    with contextlib.suppress(HostError):
        connecting[MCPORTER] = functools.partial(mcporter, program(clients, "mcporter"))
    with contextlib.suppress(HostError):
        python = program(clients / "langchain", "python")
        connecting[LANGCHAIN] = functools.partial(langchain, python)
    for host, connect in connecting.items():
        for wire in WIRES:
            yield Way(host, wire, connect, unbroken(wire))
    if URL and API_KEY:
        whole = tuple(name for name in JOURNEYS if name not in BREAKS)
        for wire in HTTP:
            yield Way(N8N_NODE, wire, n8n_node, journeys=whole)


def unbroken(wire: str) -> frozenset[str]:
    """Name the journeys on which nothing breaks that a host that resumes nothing hangs on."""
    return UNBROKEN if wire == STDIO else frozenset()


def program(clients: Path, name: str) -> str:
    """Find a program in the clients' folder, or in the `bin` in it."""
    found = shutil.which(name, path=pathsep.join([str(clients), str(clients / "bin")]))
    if found is None:
        raise HostError(f"there is no program {name} in {clients}")
    return str(Path(found).absolute())


class Travels:
    """Goes journeys on ways, each with a bridge and a host of its own."""

    def __init__(self, call_s: float, folder: Path) -> None:
        self._call_s = call_s
        self._folder = folder
        self._start = asyncio.Lock()  # bridges that start side by side start slowly

    async def go(self, way: Way, journey: str) -> Seen:
        """Go one journey on one way."""
        folder = self._folder / f"{way.host}-{way.wire.strip('/')}-{journey}"
        began = time.monotonic()
        try:
            line, is_fault = await self._go(way, journey, folder), False
        except Exception as error:  # noqa: BLE001  whatever went wrong is what was seen
            line, is_fault = "\n".join(_reasons(error)), True
        return Seen(way, journey, line, is_fault, time.monotonic() - began)

    async def _go(self, way: Way, journey: str, folder: Path) -> str:
        async with contextlib.AsyncExitStack() as stack:
            async with self._start:
                running = _running_bridge(folder / "bridge", JOURNEYS[journey].webs)
                bridge = await stack.enter_async_context(running)
            link = await stack.enter_async_context(linking(bridge, way.wire))
            connecting = way.connect(link.address, _made(folder / "host"))
            host = await stack.enter_async_context(connecting)
            resumes = journey in way.resumes
            return await JOURNEYS[journey].go(Scene(bridge, link, host, resumes, self._call_s))


def _running_bridge(folder: Path, webs: int) -> AbstractAsyncContextManager[Bridge]:
    return running_bridge(_made(folder), webs=webs, BRIDGE_SERVERS=str(SERVERS))


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _reasons(error: Exception) -> Iterator[str]:
    """Report what failed, and what the bridge's processes said last."""
    yield (f"{type(error).__name__}: {error}")[:REASON_CHARS]
    yield from getattr(error, "__notes__", ())

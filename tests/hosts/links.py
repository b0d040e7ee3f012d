"""What connects a host to the bridge, and how it breaks."""

import asyncio
import contextlib
import os
import shlex
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.bridge_processes import SERVER, Bridge, Child
from tests.hosts.host import STDIO, Address
from tests.proxy import Proxy, proxying
from tests.waiting import wait_until

COMES_BACK_S = 30.0
"""How long a client may stay away: the bridge asks for 16 s after a break."""
SETTLES_S = 1.0
"""How long coming back takes: Claude Code, struck meanwhile, counts the third error in a row."""


class Link(Protocol):
    """The way from a host to the bridge."""

    @property
    def address(self) -> Address:
        """Report where the host begins."""

    async def drop(self) -> None:
        """Break the connection that a call waits on, without a goodbye."""

    async def restart(self) -> None:
        """Kill what the host is connected to, or hangs on most, and start it again."""


@dataclass
class Net:
    """Connections to web processes, by a proxy."""

    bridge: Bridge
    proxy: Proxy
    wire: str

    @property
    def address(self) -> Address:
        """Return the proxy's."""
        return Address(self.proxy.url, self.wire)

    async def drop(self) -> None:
        """Reset all connections; a client that comes back by and by is waited for."""
        await wait_until(lambda: not self.proxy.is_idle, "a connection is open", COMES_BACK_S)
        await asyncio.sleep(SETTLES_S)
        self.proxy.drop()

    async def restart(self) -> None:
        """Restart the only web process."""
        (web,) = self.bridge.webs
        await kill(web)
        await web.start()


@dataclass
class Pipes:
    """The pipes to `n8n-bridge stdio`, which the host starts by the file `program`."""

    bridge: Bridge
    program: Path
    _killed: str = ""

    @property
    def address(self) -> Address:
        """Return the program."""
        return Address(str(self.program), STDIO)

    async def drop(self) -> None:
        """Kill the program, once the host has started it again after the last time."""
        await wait_until(lambda: self._last_id() != self._killed, "the host started the program")
        self._killed = self._last_id()
        os.kill(int(self._killed), signal.SIGKILL)

    async def restart(self) -> None:
        """Restart the store; the program knows no web process."""
        await self.bridge.kill_store()
        await self.bridge.valkey.start()

    def write(self) -> None:
        """Write the program, which notes its process id whenever it is started."""
        ours = {name: text for name, text in self.bridge.environ.items() if is_ours(name)}
        command = ("env", *(f"{name}={text}" for name, text in ours.items()))
        command += (sys.executable, "-m", "bridge", "stdio", SERVER)
        log = self.program.with_suffix(".log")
        lines = [
            "#!/bin/sh",
            f"echo $$ >> {shlex.quote(str(self._ids))}",
            f"exec {shlex.join(command)} 2>> {shlex.quote(str(log))}",
        ]
        self.program.write_text("\n".join(lines) + "\n")
        self.program.chmod(0o700)

    def _last_id(self) -> str:
        return self._ids.read_text().split()[-1]

    @property
    def _ids(self) -> Path:
        return self.program.with_suffix(".ids")


@contextlib.asynccontextmanager
async def linking(bridge: Bridge, wire: str) -> AsyncIterator[Link]:
    """Lay the link that a wire needs."""
    if wire == STDIO:
        pipes = Pipes(bridge, bridge.folder / "stdio")
        pipes.write()
        yield pipes
    else:
        ports = [int(web.url.rpartition(":")[2]) for web in bridge.webs]
        async with proxying(*ports) as proxy:
            yield Net(bridge, proxy, wire)


async def kill(process: Child) -> None:
    """End a process by SIGKILL."""
    process.kill()
    await process.ended()


def is_ours(name: str) -> bool:
    """Report whether a variable is one that the bridge or its server file asks for."""
    return name.startswith(("BRIDGE_", "PROOF_"))

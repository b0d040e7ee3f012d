"""A public address for a bridge on this machine: a quick tunnel of cloudflared's."""

import asyncio
import contextlib
import re
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from bridge.errors import ConfigurationError
from bridge.local.children import end_process
from bridge.local.die_with_parent import tied_to_parent

PROGRAM = "cloudflared"
NOT_INSTALLED = (
    "--tunnel needs the program cloudflared, which is not on PATH: install it "
    "(https://developers.cloudflare.com/tunnel/downloads/), or leave --tunnel out"
)
OPEN_S = 30.0
READ_BYTES = 1 << 16
SAID_CHARS = 300
"""So much is repeated of what it says last."""
SETTINGS = {"BRIDGE_KEEPALIVE_S": "8", "BRIDGE_TRUSTED_PROXIES": "127.0.0.1"}
"""What a bridge behind it needs: Cloudflare cuts streams that are silent for long, and all of the
internet comes in from this machine."""

_ADDRESS = re.compile(r"https://(?!api\.)[a-z0-9-]+\.trycloudflare\.com")
"""The API's own address stands in what it says when no tunnel can be had."""


@dataclass
class Tunnel:
    """A tunnel that is open: its public address, and the program that keeps it."""

    public_url: str
    _process: asyncio.subprocess.Process

    def with_settings(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return an environment with the settings of a bridge behind it."""
        needed = {name: text for name, text in SETTINGS.items() if not given.get(name, "").strip()}
        return {**given, **needed, "BRIDGE_PUBLIC_URL": self.public_url}

    async def watch(self, say: Callable[[str], None]) -> None:
        """Wait for its end, and say so."""
        status = await self._process.wait()
        say(
            f"cloudflared has ended with status {status}: {self.public_url} leads nowhere; "
            "start dev again for a new address"
        )


@contextlib.asynccontextmanager
async def open_tunnel(local_url: str) -> AsyncIterator[Tunnel]:
    """Open a tunnel to an address of this machine, where nobody need listen yet, and close it.

    Raises:
        ConfigurationError: cloudflared is not installed, or has given no address.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise ConfigurationError((NOT_INSTALLED,))
    process = await asyncio.create_subprocess_exec(
        *tied_to_parent(program, "tunnel", "--no-autoupdate", "--url", local_url),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C in the terminal is dev's to act on
    )
    assert process.stderr is not None, "it was asked for"
    try:
        tunnel = Tunnel(await _address_in(process.stderr), process)
        # A pipe that nobody reads would hold it up once it is full.
        reading = asyncio.create_task(_read_on(process.stderr))
        yield tunnel
        reading.cancel()
    finally:
        await end_process(process)


async def _address_in(said: asyncio.StreamReader) -> str:
    """Wait for the public address in what cloudflared says.

    Raises:
        ConfigurationError: it ended without one, or took too long.
    """
    heard = ""
    try:
        async with asyncio.timeout(OPEN_S):
            while read := await said.read(READ_BYTES):
                heard = (heard + read.decode(errors="replace"))[-READ_BYTES:]
                if found := _ADDRESS.search(heard):
                    return found[0]
        why = "has ended without giving an address"
    except TimeoutError:
        why = f"has given no address within {OPEN_S:g} s"
    *_, last = ("it has said nothing", *filter(str.strip, heard.splitlines()))
    raise ConfigurationError((f"cloudflared {why}: {last.strip()[:SAID_CHARS]}",))


async def _read_on(said: asyncio.StreamReader) -> None:
    while await said.read(READ_BYTES):
        pass

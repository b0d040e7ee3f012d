"""mcporter's command line: a program run for each call, which connects, asks and leaves."""

import asyncio
import contextlib
import json
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

from bridge.local.die_with_parent import tied_to_parent
from tests.hosts.environment import environment
from tests.hosts.host import AUTHORIZATION, Address, Answer

SERVER_NAME = "bridge"
CALL_TIMEOUT_MS = 600_000


class Mcporter:
    """Calls tools, each by a run of its own."""

    def __init__(self, command: str, address: Address, folder: Path) -> None:
        self._command = command
        self._address = address
        self._folder = folder

    async def call(self, tool: str, **arguments: Any) -> Answer:
        """Run the program for one call; a run that fails is a call that broke."""
        process = await asyncio.create_subprocess_exec(
            *tied_to_parent(self._command, *_arguments(self._address, tool, arguments)),
            cwd=self._folder,
            env=environment(self._folder),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
        )
        try:
            said, complained = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        try:
            result = json.loads(said)
        except ValueError:
            return Answer((complained or said).decode(errors="replace"), is_error=True)
        return Answer(json.dumps(result), is_error=process.returncode != 0)


@contextlib.asynccontextmanager
async def mcporter(command: str, address: Address, folder: Path) -> AsyncIterator[Mcporter]:
    """Use mcporter's command line against an address."""
    yield Mcporter(command, address, folder)


def _arguments(address: Address, tool: str, arguments: Mapping[str, Any]) -> Iterator[str]:
    yield from ("call", "--name", SERVER_NAME, "--tool", tool, "--server", SERVER_NAME)
    if address.program:
        yield from ("--stdio", address.program)
    else:
        yield from ("--http-url", address.url, "--allow-http", "--no-oauth")
        yield from ("--header", f"Authorization={AUTHORIZATION}")
    yield from ("--timeout", str(CALL_TIMEOUT_MS), "--output", "json")
    yield from ("--args", json.dumps(arguments))

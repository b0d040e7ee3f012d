"""langchain-mcp-adapters, as it comes: a session for each call."""

import asyncio
import contextlib
import json
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from bridge.local.die_with_parent import tied_to_parent
from tests.hosts.environment import environment
from tests.hosts.host import AUTHORIZATION, Address, Answer

PROGRAM = Path(__file__).with_name("langchain_program.py")


class Langchain:
    """Calls tools, each by a run of its own."""

    def __init__(self, python: str, address: Address, folder: Path) -> None:
        self._python = python
        self._address = address
        self._folder = folder

    async def call(self, tool: str, **arguments: Any) -> Answer:
        """Run the program for one call; a run that fails is a call that broke."""
        where = self._address.program or self._address.url
        asked = json.dumps({"tool": tool, "arguments": arguments})
        process = await asyncio.create_subprocess_exec(
            *tied_to_parent(
                self._python, str(PROGRAM), self._address.wire, where, AUTHORIZATION, asked
            ),
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
        if process.returncode != 0:
            return Answer(complained.decode(errors="replace"), is_error=True)
        told = json.loads(said)
        return Answer(told["text"], told["isError"])


@contextlib.asynccontextmanager
async def langchain(python: str, address: Address, folder: Path) -> AsyncIterator[Langchain]:
    """Use the package of an interpreter against an address."""
    yield Langchain(python, address, folder)

"""The MCP Inspector's command line: a program run for each call, which keeps nothing between."""

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

TRANSPORTS = {"/mcp": "http", "/mcp-2025": "http", "/sse": "sse"}


class Inspector:
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
        text = "".join(block.get("text", "") for block in result.get("content", ()))
        if "structuredContent" in result:
            text = json.dumps(result["structuredContent"])
        return Answer(text, bool(result.get("isError")))


@contextlib.asynccontextmanager
async def inspector(command: str, address: Address, folder: Path) -> AsyncIterator[Inspector]:
    """Use the Inspector's command line against an address."""
    yield Inspector(command, address, folder)


def _arguments(address: Address, tool: str, arguments: Mapping[str, Any]) -> Iterator[str]:
    if address.program:
        yield from ("--cli", address.program, "--transport", "stdio")
    else:
        yield from ("--cli", address.url, "--transport", TRANSPORTS[address.wire])
        yield from ("--header", f"Authorization: {AUTHORIZATION}")
    yield from ("--method", "tools/call", "--tool-name", tool)
    for name, value in arguments.items():
        spelled = value if isinstance(value, str) else json.dumps(value)
        yield from ("--tool-arg", f"{name}={spelled}")

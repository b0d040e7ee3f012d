"""Clients that are a program run for each call: it connects, asks and leaves."""

import asyncio
import contextlib
import json
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.local.die_with_parent import tied_to_parent
from tests.hosts.environment import environment
from tests.hosts.host import AUTHORIZATION, Address, Answer

INSPECTOR_TRANSPORTS = {"/mcp": "http", "/mcp-2025": "http", "/sse": "sse"}
MCPORTER_SERVER = "bridge"
MCPORTER_TIMEOUT_MS = 600_000
LANGCHAIN_PROGRAM = Path(__file__).with_name("langchain_program.py")


@dataclass(frozen=True)
class OneShot:
    """Calls tools, each by a run of its own: `arguments` makes its arguments, `read` its answer."""

    program: str
    address: Address
    folder: Path
    arguments: Callable[[Address, str, Mapping[str, Any]], Iterator[str]]
    read: Callable[[int, dict[str, Any]], Answer]

    async def call(self, tool: str, **arguments: Any) -> Answer:
        """Run the program for one call; a run that fails is a call that broke."""
        process = await asyncio.create_subprocess_exec(
            *tied_to_parent(self.program, *self.arguments(self.address, tool, arguments)),
            cwd=self.folder,
            env=environment(self.folder),
            stdin=DEVNULL,
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
        return self.read(process.returncode or 0, result)


@contextlib.asynccontextmanager
async def inspector(command: str, address: Address, folder: Path) -> AsyncIterator[OneShot]:
    """Use the MCP Inspector's command line against an address."""
    yield OneShot(command, address, folder, _inspector_arguments, _inspector_answer)


@contextlib.asynccontextmanager
async def mcporter(command: str, address: Address, folder: Path) -> AsyncIterator[OneShot]:
    """Use mcporter's command line against an address."""
    yield OneShot(command, address, folder, _mcporter_arguments, _mcporter_answer)


@contextlib.asynccontextmanager
async def langchain(python: str, address: Address, folder: Path) -> AsyncIterator[OneShot]:
    """Use langchain-mcp-adapters of an interpreter against an address, as it comes."""
    yield OneShot(python, address, folder, _langchain_arguments, _langchain_answer)


def _inspector_arguments(
    address: Address, tool: str, arguments: Mapping[str, Any]
) -> Iterator[str]:
    if address.program:
        yield from ("--cli", address.program, "--transport", "stdio")
    else:
        yield from ("--cli", address.url, "--transport", INSPECTOR_TRANSPORTS[address.wire])
        yield from ("--header", f"Authorization: {AUTHORIZATION}")
    yield from ("--method", "tools/call", "--tool-name", tool)
    for name, value in arguments.items():
        text = value if isinstance(value, str) else json.dumps(value)
        yield from ("--tool-arg", f"{name}={text}")


def _inspector_answer(_status: int, result: dict[str, Any]) -> Answer:
    text = "".join(block.get("text", "") for block in result.get("content", ()))
    if "structuredContent" in result:
        text = json.dumps(result["structuredContent"])
    return Answer(text, bool(result.get("isError")))


def _mcporter_arguments(address: Address, tool: str, arguments: Mapping[str, Any]) -> Iterator[str]:
    yield from ("call", "--name", MCPORTER_SERVER, "--tool", tool, "--server", MCPORTER_SERVER)
    if address.program:
        yield from ("--stdio", address.program)
    else:
        yield from ("--http-url", address.url, "--allow-http", "--no-oauth")
        yield from ("--header", f"Authorization={AUTHORIZATION}")
    yield from ("--timeout", str(MCPORTER_TIMEOUT_MS), "--output", "json")
    yield from ("--args", json.dumps(arguments))


def _mcporter_answer(status: int, result: dict[str, Any]) -> Answer:
    return Answer(json.dumps(result), is_error=status != 0)


def _langchain_arguments(
    address: Address, tool: str, arguments: Mapping[str, Any]
) -> Iterator[str]:
    asked = json.dumps({"tool": tool, "arguments": arguments})
    yield from (str(LANGCHAIN_PROGRAM), address.wire, address.program or address.url)
    yield from (AUTHORIZATION, asked)


def _langchain_answer(_status: int, result: dict[str, Any]) -> Answer:
    return Answer(result["text"], result["isError"])

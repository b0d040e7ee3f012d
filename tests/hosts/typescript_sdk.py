"""The official TypeScript client, in a program of its own; it connects anew when a call breaks."""

import asyncio
import contextlib
import json
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from bridge.local.die_with_parent import tied_to_parent
from tests.hosts.environment import environment
from tests.hosts.host import AUTHORIZATION, Address, Answer, HostError
from tests.npm import install, node

PACKAGE, VERSION = "@modelcontextprotocol/client", "2.3.1"
PROGRAM = Path(__file__).with_suffix(".mjs")
ANSWER_MAX_BYTES = 1 << 24
FAREWELL_S = 10.0
INSTALLING = asyncio.Lock()


class TypeScriptSdk:
    """Calls tools, a line out and a line in for each."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def call(self, tool: str, **arguments: Any) -> Answer:
        """Call a tool; what breaks the call is its answer.

        Raises:
            HostError: the program has ended.
        """
        assert self._process.stdin
        assert self._process.stdout
        asked = {"tool": tool, "arguments": arguments}
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        line = await self._process.stdout.readline()
        if not line:
            raise HostError("the program of the TypeScript client has ended")
        told = json.loads(line)
        return Answer(told["text"], told["isError"])


@contextlib.asynccontextmanager
async def typescript_sdk(address: Address, folder: Path) -> AsyncIterator[TypeScriptSdk]:
    """Use the official TypeScript client against an address; what it complains of is a file."""
    async with INSTALLING:
        package = await install(PACKAGE, VERSION)
    where = address.program or address.url
    given = (str(PROGRAM), str(package / "dist"), where, address.wire, AUTHORIZATION)
    with (folder / "typescript-sdk.txt").open("wb") as words:
        process = await asyncio.create_subprocess_exec(
            *tied_to_parent(str(node()), *given),
            cwd=folder,
            env=environment(folder),
            stdin=PIPE,
            stdout=PIPE,
            stderr=words,
            limit=ANSWER_MAX_BYTES,
        )
    assert process.stdin
    try:
        yield TypeScriptSdk(process)
        process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), FAREWELL_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

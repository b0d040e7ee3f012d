"""The JavaScript in n8n's workflows, run by Node as n8n does."""

import asyncio
import contextlib
import json
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from bridge.local.die_with_parent import tied_to_parent
from tests.npm import node

PROGRAM = Path(__file__).with_suffix(".mjs")
LINE_MAX_BYTES = 1 << 24


class ScriptError(Exception):
    """The JavaScript has thrown; the text is its message."""


class JavaScript:
    """One Node, which runs one thing at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._turn = asyncio.Lock()

    async def run_code(self, code: str, context: dict[str, Any]) -> Any:
        """Return what the code of a Code node returns.

        Raises:
            ScriptError: it has thrown.
        """
        return await self._ask({"code": code, "context": context})

    async def filled(self, parameters: Any, context: dict[str, Any]) -> Any:
        """Return parameters of a node with every expression replaced by its value.

        Raises:
            ScriptError: one has thrown.
        """
        return await self._ask({"parameters": parameters, "context": context})

    async def _ask(self, asked: dict[str, Any]) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        async with self._turn:
            self._process.stdin.write(json.dumps(asked).encode() + b"\n")
            line = await self._process.stdout.readline()
        answered = json.loads(line)
        if "error" in answered:
            raise ScriptError(answered["error"])
        return answered["value"]


@contextlib.asynccontextmanager
async def javascript() -> AsyncIterator[JavaScript]:
    """Run a Node until the end of the block."""
    process = await asyncio.create_subprocess_exec(
        *tied_to_parent(str(node()), str(PROGRAM)), stdin=PIPE, stdout=PIPE, limit=LINE_MAX_BYTES
    )
    try:
        yield JavaScript(process)
    finally:
        process.kill()
        await process.wait()

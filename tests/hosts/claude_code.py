"""The real Claude Code, with a script for its model: no network and no key."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from bridge.local.die_with_parent import tied_to_parent
from tests.hosts.environment import environment
from tests.hosts.host import AUTHORIZATION, Address, Answer, HostError
from tests.hosts.scripted_model import ScriptedModel
from tests.serving import serving_any

NAME = "bridge"
"""What Claude Code calls the server; its tools get `mcp__bridge__` before their names."""

FAREWELL_S = 30.0
LAST_WORDS = 2000
SETTINGS = {
    "ANTHROPIC_API_KEY": "none-is-needed",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
}
TRANSPORTS = {"/mcp": "http", "/mcp-2025": "http", "/sse": "sse"}


class ClaudeCode:
    """One run of `claude -p`, from its first tool call to its last."""

    def __init__(self, model: ScriptedModel, process: asyncio.subprocess.Process) -> None:
        self._model = model
        self._process = process

    async def call(self, tool: str, **arguments: Any) -> Answer:
        """Have the model ask for a tool; returns what Claude Code tells it.

        Raises:
            HostError: Claude Code has ended.
        """
        answered = self._model.ask_for(f"mcp__{NAME}__{tool}", arguments)
        ended = asyncio.ensure_future(self._process.wait())
        either: set[asyncio.Future[Any]] = {answered, ended}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
        if not answered.done():
            raise HostError("Claude Code has ended")
        return answered.result()


@contextlib.asynccontextmanager
async def claude_code(command: str, address: Address, folder: Path) -> AsyncIterator[ClaudeCode]:
    """Run Claude Code against an address; its own words, and its debug log, are in the folder.

    Raises:
        HostError: it ended before its time; with its last words.
    """
    model = ScriptedModel()
    said = folder / "claude-code.txt"
    async with serving_any(model.app) as api:
        with said.open("wb") as words:
            process = await asyncio.create_subprocess_exec(
                *tied_to_parent(command, *_arguments(address, folder)),
                cwd=folder,
                env=environment(folder, ANTHROPIC_BASE_URL=api, **SETTINGS),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=words,
                stderr=words,
            )
        try:
            yield ClaudeCode(model, process)
            model.say_farewell()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), FAREWELL_S)
        except HostError as error:
            raise HostError(f"{error}: {said.read_text()[-LAST_WORDS:]}") from error
        finally:
            model.say_farewell()  # to a request that nobody answers any more
            if process.returncode is None:
                process.kill()
                await process.wait()


def _arguments(address: Address, folder: Path) -> tuple[str, ...]:
    server: dict[str, Any] = {"alwaysLoad": True}
    if address.program:
        server |= {"type": "stdio", "command": address.program}
    else:
        headers = {"Authorization": AUTHORIZATION}
        server |= {"type": TRANSPORTS[address.wire], "url": address.url, "headers": headers}
    config = folder / "mcp.json"
    config.write_text(json.dumps({"mcpServers": {NAME: server}}))
    return (
        *("--print", "go"),
        *("--mcp-config", str(config), "--strict-mcp-config"),
        *("--allowedTools", f"mcp__{NAME}"),
        *("--debug-file", str(folder / "claude-code.debug.txt")),
    )

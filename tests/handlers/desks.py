"""A server whose workflows are in Python, and who calls its handlers without a store."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from bridge.configuration.server_files import read_server_files
from bridge.configuration.servers import Server
from bridge.formats.json_text import encode
from bridge.handler_processes.pool import HandlerProcesses
from bridge.handler_processes.requests import HandlerRequest
from bridge.models import CallId, Json
from bridge.n8n.outcomes import RunOutcome

FOLDER = Path(__file__).parent / "desk"
KEY = "a-key-that-nobody-else-may-know"
ENVIRON = {
    **os.environ,
    "DESK_KEY": KEY,
    "DESK_HOOK_TOKEN": "the-token-of-the-hook",
    "BRIDGE_OPERATOR_TOKEN": "not-for-handlers",
}


def desk(path: Path = FOLDER, **replaced: object) -> Server:
    """Read the server, with other options of its process if need be."""
    (server,) = read_server_files(path, ENVIRON).servers.values()
    assert server.python is not None
    return server.model_copy(update={"python": server.python.model_copy(update=replaced)})


SERVER = desk()


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what handlers have printed."""
    return [record.line for record in caplog.records if record.msg == "handler.output"]  # type: ignore[attr-defined]


class Witness:
    """Sees what a handler does amid its run, and answers what it asks."""

    def __init__(self, answer: Json = None, *, waits: bool = False) -> None:
        self.answer = answer
        self._answers = asyncio.Event()
        if not waits:
            self._answers.set()
        self.reports: list[tuple[float, str]] = []
        self.asked: list[tuple[str, Json]] = []

    async def report(self, share: float, message: str) -> None:
        """Keep what is reported."""
        self.reports.append((share, message))

    async def ask(self, hook: str, payload: Json) -> Json:
        """Keep what is asked."""
        self.asked.append((hook, payload))
        await self._answers.wait()
        return self.answer


async def call(
    processes: HandlerProcesses,
    workflow: str = "work",
    *,
    server: Server,
    witness: Witness | None = None,
    timeout_s: float = 20,
    call_id: str = "call_1",
    **arguments: Any,
) -> RunOutcome | None:
    """Make one attempt of a call."""

    async def mark_sent() -> bool:
        return True

    asked = HandlerRequest(
        server=server.name,
        workflow=server.workflows[workflow],
        call_id=CallId(call_id),
        attempt=1,
        timeout_s=timeout_s,
        mark_sent=mark_sent,
        amid=witness or Witness(),
    )
    return await processes.run(asked, encode(arguments))

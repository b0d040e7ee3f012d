"""What begins and ends with a process does so once, whatever wires and sessions it serves."""

import contextlib
import json
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.bridge_processes import ROOT, SERVER, running_bridge
from tests.claude import WIRES, Wire, use
from tests.waiting import wait_until

CLIENTS = 3


def told(log: str) -> Counter[str]:
    """Count what a process has said of its start and its end."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return Counter(line["message"] for line in lines if line["message"].startswith("process.st"))


@pytest.mark.parametrize("wires", [(wire,) for wire in WIRES] + [WIRES])
async def test_a_web_process_starts_and_stops_once(tmp_path: Path, wires: tuple[Wire, ...]) -> None:
    async with running_bridge(tmp_path) as bridge:
        (web,) = bridge.webs
        async with contextlib.AsyncExitStack() as stack:
            for wire in wires * CLIENTS:
                client = await stack.enter_async_context(bridge.claude(wire))
                await use(client, "list_calls")
            assert told(web.log) == {"process.started": 1}
        web.send_signal(signal.SIGTERM)
        assert await web.ended() == 0
        assert told(web.log) == {"process.started": 1, "process.stopped": 1}


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_stdio_process_starts_once(tmp_path: Path, mode: str) -> None:
    async with running_bridge(tmp_path) as bridge:
        command = ["-m", "bridge", "stdio", SERVER]
        program = StdioServerParameters(
            command=sys.executable, args=command, env=bridge.environ, cwd=ROOT
        )
        log = tmp_path / "stdio.log"
        with log.open("w") as errors:
            async with Client(stdio_client(program, errlog=errors), mode=mode) as client:
                for _ in range(CLIENTS):
                    await use(client, "list_calls")
                await wait_until(lambda: told(log.read_text()), "the start is told")
        assert told(log.read_text())["process.started"] == 1

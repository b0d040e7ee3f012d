"""What a client of stdio hears where no bridge can be joined."""

import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from bridge.mcp.wires import stdio
from bridge.mcp.wires.pipes import LinesIn, LinesOut
from bridge.mcp.wires.stdio import refuse

REQUEST = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}
FAULTS = ("BRIDGE_PORT must be a whole number", "there is no server x")


@dataclass
class Pipes:
    """The client's ends of both pipes, and the bridge's."""

    to_bridge: int
    from_bridge: int
    source: LinesIn
    sink: LinesOut

    def say(self, *lines: bytes) -> None:
        """Write lines."""
        os.write(self.to_bridge, b"".join(line + b"\n" for line in lines))

    def heard(self) -> list[Any]:
        """Read all that was written."""
        return [json.loads(line) for line in os.read(self.from_bridge, 1 << 16).splitlines()]


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    ours_in, to_bridge = os.pipe()
    from_bridge, ours_out = os.pipe()
    yield Pipes(to_bridge, from_bridge, LinesIn(ours_in, 1000), LinesOut(ours_out))
    for descriptor in (to_bridge, from_bridge):
        os.close(descriptor)


async def test_every_request_is_answered_by_every_fault_and_nothing_else_is(pipes: Pipes) -> None:
    probe = REQUEST | {"id": "probe", "method": "server/discover"}
    note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    batch = [REQUEST | {"id": 7}, note, REQUEST | {"id": 8}]
    refusal = asyncio.create_task(refuse(pipes.source, pipes.sink, FAULTS))
    pipes.say(*(json.dumps(it).encode() for it in (probe, REQUEST, note, batch)), b"")
    pipes.say(b"nonsense", b"[]", json.dumps({"long": "x" * 1000}).encode())
    pipes.to_bridge = closed(pipes.to_bridge)
    await refusal
    answers = pipes.heard()
    assert [answer["id"] for answer in answers] == ["probe", 1, 7, 8, None, None]
    assert {answer["error"]["message"] for answer in answers} == {"; ".join(FAULTS)}


async def test_who_says_nothing_more_is_waited_for_a_moment_only(
    pipes: Pipes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stdio, "NEXT_WITHIN_S", 1)
    pipes.say(json.dumps(REQUEST).encode())
    await refuse(pipes.source, pipes.sink, FAULTS)
    assert len(pipes.heard()) == 1


async def test_who_has_left_is_answered_no_more(pipes: Pipes) -> None:
    pipes.from_bridge = closed(pipes.from_bridge)
    pipes.say(json.dumps(REQUEST).encode())
    await refuse(pipes.source, pipes.sink, FAULTS)


def closed(descriptor: int) -> int:
    """Close a descriptor; give one that may be closed again."""
    os.close(descriptor)
    return os.open(os.devnull, os.O_RDONLY)

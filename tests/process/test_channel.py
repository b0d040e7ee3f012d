"""`stdio --channel`: waiting events are told to a session of Claude Code, until they are taken."""

import json
import re
import sys
from collections.abc import AsyncIterator

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from bridge.mcp.event_pushes import CAPABILITY, METHOD
from bridge.mcp.tool_results import DATA_NOTICE
from tests.bridge_processes import ROOT, SERVER, Bridge, running_bridge
from tests.stdio_program import META, stdio_here

CHANNEL = "--channel"


@pytest.fixture(scope="module")
async def bridge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bridge]:
    async with running_bridge(tmp_path_factory.mktemp("channel"), workers=0) as running:
        yield running


async def test_a_session_is_told_of_each_event_and_can_take_it(bridge: Bridge) -> None:
    async with stdio_here(bridge.environ, CHANNEL) as program:
        told = await program.shake_hands()
        assert told["capabilities"]["experimental"] == {CAPABILITY: {}}
        for note in ("early", "late"):
            sent = (await bridge.send({"note": note})).json()
            push = await program.told(METHOD)
            expected = {"server": SERVER, "hook": "question", "event_id": sent["event_id"]}
            assert push["meta"] == expected
            assert all(re.fullmatch(r"[A-Za-z_]\w*", name) for name in push["meta"])
            sentence, _, envelope = push["content"].partition("\n")
            assert "take_event" in sentence
            said = json.loads(envelope)
            assert (said["notice"], json.loads(said["summary"])) == (DATA_NOTICE, {"note": note})
            taken = await program.use("take_event", event_id=sent["event_id"])
            assert taken["payload"] == {"note": note}
        await program.ask("ping")  # whoever asks on has read what came before


async def test_without_the_option_nothing_is_pushed(bridge: Bridge) -> None:
    async with stdio_here(bridge.environ) as program:
        assert "experimental" not in (await program.shake_hands())["capabilities"]
        sent = (await bridge.send("quiet")).json()
        (listed,) = (await program.use("list_events"))["events"]
        await program.use("take_event", event_id=listed["event_id"])
        assert listed["event_id"] == sent["event_id"]
        assert [frame for frame in program.heard if frame.get("method") == METHOD] == []


async def test_a_client_of_both_eras_falls_back_to_the_handshake(bridge: Bridge) -> None:
    async with stdio_here(bridge.environ, CHANNEL, envelope=META) as program:
        refused = await program.answer(program.request("server/discover"))
        assert refused["error"]["code"] == -32601
        refused = await program.answer(program.request("tools/list"))
        assert refused["error"]["code"] == -32600
    arguments = ["-m", "bridge", "stdio", SERVER, CHANNEL]
    started = StdioServerParameters(
        command=sys.executable, args=arguments, env=bridge.environ, cwd=ROOT
    )
    async with Client(stdio_client(started)) as client:
        assert client.protocol_version == "2025-11-25"
        assert (await client.list_tools()).tools

"""`n8n-bridge stdio`: frames on pipes, in both eras, as the program's clients meet them."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.bridge_processes import ROOT, SERVER, Bridge, running_bridge
from tests.claude import use
from tests.stdio_program import META, PATIENCE_S, Program, stdio_here, stdio_program
from tests.waiting import wait_until

TASKS = "io.modelcontextprotocol/tasks"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
ERAS = pytest.mark.parametrize("envelope", [META, None], ids=["2026", "handshake"])
VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
VERSION_OF_BATCHES = "2025-03-26"
HANDSHAKE = {"jsonrpc": "2.0", "id": "again", "method": "initialize", "params": {}}
MOST_BYTES = 100_000
STRAY = """
import asyncio, os
run = asyncio.run
def loud(work):
    print("a print", flush=True)
    os.write(1, b"a write\\n")
    os.system("echo a child")
    return run(work)
asyncio.run = loud
"""


@pytest.fixture(scope="module")
async def bridge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bridge]:
    """Run a bridge that takes messages of at most MOST_BYTES."""
    folder = tmp_path_factory.mktemp("stdio")
    async with running_bridge(folder, BRIDGE_MAX_BODY_BYTES=str(MOST_BYTES)) as running:
        yield running


async def begun(program: Program, envelope: dict[str, Any] | None) -> None:
    if envelope is None:
        await program.shake_hands()


@pytest.mark.parametrize(("mode", "version"), [("auto", "2026-07-28"), ("legacy", VERSIONS[0])])
async def test_the_official_client_calls_tools(bridge: Bridge, mode: str, version: str) -> None:
    program = StdioServerParameters(
        command=sys.executable,
        args=["-m", "bridge", "stdio", SERVER],
        env=bridge.environ,
        cwd=ROOT,
    )
    async with Client(stdio_client(program), mode=mode) as client:
        assert client.protocol_version == version
        listed = [tool.name for tool in (await client.list_tools()).tools]
        assert {"joined", "take_event", "read_call"} <= set(listed)
        assert (await use(client, "joined", label=mode, seconds=0))["label"] == mode
        taken = asyncio.ensure_future(use(client, "take_event", wait_seconds=20))
        await bridge.send({"for": mode})
        event = await taken
        held = {"event_id": event["event_id"], "lease": event["lease"]}
        assert (await use(client, "reply_to_event", **held, reply=1))["status"] == "answered"


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_handshake_is_taken(bridge: Bridge, version: str) -> None:
    async with stdio_here(bridge.environ) as program:
        told = await program.shake_hands(version)
        assert (told["protocolVersion"], told["serverInfo"]["name"]) == (version, SERVER)
        assert await program.use("list_events") == {"events": [], "next_cursor": None}


async def test_an_id_that_is_being_served_is_taken_by_no_other_request(bridge: Bridge) -> None:
    async with stdio_here(bridge.environ) as program:
        await program.shake_hands()
        waiting = program.call("take_event", wait_seconds=30)
        program.say({"jsonrpc": "2.0", "id": waiting, "method": "tools/list"})
        assert "served already" in (await program.answer(waiting))["error"]["message"]
        await bridge.send("?")
        assert (await program.answer(waiting))["result"]["structuredContent"]["event_id"]


async def test_what_is_no_request_is_refused_and_changes_nothing(bridge: Bridge) -> None:
    edges = {
        b'{"jsonrpc": "2.0", "id": 1, ': -32700,
        b"\xff\xfe": -32700,
        b'[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]': -32600,
        b'{"id": 1, "method": "ping"}': -32600,
        b'{"jsonrpc": "2.0", "id": null, "method": "ping"}': -32600,
        json.dumps({"padding": "x" * MOST_BYTES}).encode(): -32600,
    }
    async with stdio_here(bridge.environ) as program:
        for line, code in edges.items():
            program.say(line)
            frame = await program.hear()
            assert frame
            assert (frame["id"], frame["error"]["code"]) == (None, code), line[:50]
        program.say(b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": 5}')
        refused = await program.hear()
        assert refused
        assert (refused["id"], refused["error"]["code"]) == (1, -32600)
        program.say(b"")
        await program.shake_hands()
        assert await program.ask("ping") == {}


async def test_a_batch_is_answered_by_a_frame_for_each_request_and_a_slow_one_holds_up_none(
    bridge: Bridge,
) -> None:
    """Source: MCP 2025-03-26, "Batching": batches must be taken."""
    slow: Any = {"name": "inline", "arguments": {"label": "of a batch", "seconds": 1}}
    batch: list[dict[str, Any]] = [
        {"jsonrpc": "2.0", "id": "slow", "method": "tools/call", "params": slow},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": "fast", "method": "ping"},
        {"jsonrpc": "2.0", "id": "none", "method": "no/such"},
    ]
    async with stdio_here(bridge.environ) as program:
        await program.shake_hands(VERSION_OF_BATCHES)
        program.say(json.dumps(batch).encode())
        assert (await program.answer("slow"))["result"]["structuredContent"][
            "label"
        ] == "of a batch"
        fast, none, _ = program.heard[-3:]
        assert (fast["id"], fast["result"]) == ("fast", {})
        assert (none["id"], none["error"]["code"]) == ("none", -32601)
        for no_batch in ([], [1], [{**batch[0], "id": None}], [batch[2], HANDSHAKE]):
            program.say(json.dumps(no_batch).encode())
            refused = await program.answer(None)
            assert refused["error"]["code"] == -32600, no_batch
        assert await program.ask("ping") == {}


async def test_later_versions_have_no_batches(bridge: Bridge) -> None:
    async with stdio_here(bridge.environ) as program:
        await program.shake_hands("2025-06-18")
        program.say(b'[{"jsonrpc": "2.0", "id": "none", "method": "ping"}]')
        refused = await program.answer(None)
        assert refused["error"]["code"] == -32600
        assert VERSION_OF_BATCHES in refused["error"]["message"]


async def test_before_the_handshake_nothing_is_served_but_a_ping(bridge: Bridge) -> None:
    async with stdio_here(bridge.environ) as program:
        assert await program.ask("ping") == {}
        refused = await program.answer(program.request("tools/list"))
        assert refused["error"]["code"] == -32600
        assert "initialize" in refused["error"]["message"]
        await program.shake_hands()
        assert (await program.ask("tools/list"))["tools"]


async def test_the_first_request_decides_the_era(bridge: Bridge) -> None:
    async with stdio_here(bridge.environ) as program:
        await program.shake_hands()
        refused = await program.answer(program.request("tools/list", _meta=META))
        assert refused["error"]["code"] == -32600
    async with stdio_here(bridge.environ, envelope=META) as program:
        await program.ask("tools/list")
        refused = await program.answer(program.request("initialize", protocolVersion=VERSIONS[0]))
        assert refused["error"]["code"] == -32022
        assert refused["error"]["data"]["supported"] == ["2026-07-28"]


async def test_a_client_whose_probe_was_late_may_still_shake_hands(bridge: Bridge) -> None:
    async with stdio_here(bridge.environ) as program:
        program.request("server/discover", _meta=META)
        assert (await program.shake_hands())["protocolVersion"] == VERSIONS[0]
        assert (await program.ask("tools/list"))["tools"]


@ERAS
async def test_unknown_methods_and_tools_are_protocol_errors(
    bridge: Bridge, envelope: dict[str, Any] | None
) -> None:
    async with stdio_here(bridge.environ, envelope=envelope) as program:
        await begun(program, envelope)
        for method, params, code in (
            ("no/such", {}, -32601),
            ("tools/call", {"name": "no_such"}, -32602),
            ("tools/call", {"arguments": {}}, -32602),
        ):
            refused = await program.answer(program.request(method, **params))
            assert refused["error"]["code"] == code, method


@ERAS
async def test_requests_are_served_beside_each_other(
    bridge: Bridge, envelope: dict[str, Any] | None
) -> None:
    async with stdio_here(bridge.environ, envelope=envelope) as program:
        await begun(program, envelope)
        slow = program.call("inline", label="slow", seconds=3)
        assert (await program.use("inline", label="fast", seconds=0))["label"] == "fast"
        result = (await program.answer(slow))["result"]
        assert result["structuredContent"]["label"] == "slow"


@ERAS
async def test_progress_is_told_before_the_answer(
    bridge: Bridge, envelope: dict[str, Any] | None
) -> None:
    async with stdio_here(bridge.environ, envelope=envelope) as program:
        await begun(program, envelope)
        asked = {"name": "inline", "arguments": {"label": "long", "seconds": 4}}
        request_id = program.request("tools/call", **asked, _meta={"progressToken": "p"})
        assert (await program.told("notifications/progress"))["progressToken"] == "p"
        assert "result" in await program.answer(request_id)


@ERAS
async def test_a_cancelled_request_is_not_answered_and_its_call_lives_on(
    bridge: Bridge, envelope: dict[str, Any] | None
) -> None:
    label = f"cancelled in {'2026' if envelope else '2025'}"
    async with stdio_here(bridge.environ, envelope=envelope) as program:
        await begun(program, envelope)
        request_id = program.call("inline", label=label, seconds=2)
        await wait_until(lambda: bridge.runs(label), "the call was sent", PATIENCE_S)
        cancel = {"requestId": request_id, "reason": "enough"}
        for params in (cancel, {"requestId": ["no id"]}, {"requestId": "unknown"}, None):
            note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
            program.say(note)
        (call,) = [
            row
            for row in (await program.use("list_calls", status="running"))["calls"]
            if row["tool"] == "inline"
        ]
        ended = await program.use("read_call", call_id=call["call_id"], wait_seconds=20)
        assert ended["status"] == "succeeded"
        assert [frame for frame in program.heard if frame.get("id") == request_id] == []


async def test_a_client_that_takes_tasks_gets_one(bridge: Bridge) -> None:
    envelope = {**META, CAPABILITIES: {"extensions": {TASKS: {}}}}
    async with stdio_here(bridge.environ, envelope=envelope) as program:
        arguments = {"label": "t", "seconds": 0.5}
        task = await program.ask("tools/call", name="inline", arguments=arguments)
        assert task["resultType"] == "task"
        listen = program.request(
            "subscriptions/listen", notifications={"taskIds": [task["taskId"]]}
        )
        told = [await program.told("notifications/tasks")]
        while told[-1]["status"] != "completed":
            told.append(await program.told("notifications/tasks"))
        found = await program.ask("tasks/get", taskId=task["taskId"])
        assert found["result"]["structuredContent"]["label"] == "t"
        cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled"}
        program.say({**cancel, "params": {"requestId": listen}})
        assert (await program.use("list_events"))["events"] == []


async def test_a_stray_print_stays_off_the_wire(bridge: Bridge, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(STRAY)
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    environ, log = {**bridge.environ, "PYTHONPATH": path}, tmp_path / "log"
    async with stdio_program(environ, log=log) as program:
        await program.shake_hands()
        program.close_input()
        await program.rest()
        assert await program.ended() == 0
    assert {"a print", "a write", "a child"} <= set(log.read_text().splitlines())


@pytest.mark.parametrize(
    ("server", "changes", "said"),
    [
        ("nobody", {}, "there is no server nobody"),
        (SERVER, {"BRIDGE_REDIS_URL": "redis://127.0.0.1:9/0"}, "does not answer"),
        (SERVER, {"BRIDGE_REDIS_URL": ""}, "n8n-bridge up"),
        (SERVER, {"BRIDGE_KEEPALIVE_S": "soon"}, "BRIDGE_KEEPALIVE_S must be a number"),
        ("--chanel", {}, "No such option"),
    ],
)
async def test_without_a_bridge_to_join_every_request_is_answered_by_what_is_missing(
    bridge: Bridge, tmp_path: Path, server: str, changes: dict[str, str], said: str
) -> None:
    environ = {**bridge.environ, **changes, "BRIDGE_DATA_DIR": str(tmp_path / "none")}
    log = tmp_path / "log"
    async with stdio_program(environ, log=log, server=server) as program:
        asked = [program.request("initialize"), program.request("tools/list")]
        program.say({"jsonrpc": "2.0", "method": "notifications/initialized"})
        answers = [await program.answer(request_id) for request_id in asked]
        program.close_input()
        await program.rest()
        assert await program.ended() == (2 if server.startswith("-") else 1)
    assert program.heard == answers
    assert all(said in answer["error"]["message"] for answer in answers)
    assert said in log.read_text()
    assert "{" not in log.read_text(), "what people read there is a sentence, and no log line"

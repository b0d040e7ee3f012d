"""A call that is asked again joins the first until its answer was received, and then runs anew."""

import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bridge.mcp.http_acks import SURE_AFTER_S
from bridge.net.serve import KEPT_IDLE_S
from tests.bench.connection import Connection
from tests.bridge_processes import SERVER, TOKEN, Bridge, running_bridge
from tests.claude import modern_request
from tests.doors.by_hand import (
    Message,
    answer_on,
    authorization,
    call,
    messages,
    open_pipe,
    open_session,
    request,
)
from tests.doors.leaving import connecting
from tests.hosts.matrix import SERVERS

CALL = {"name": "slow_tool", "arguments": {"label": "again", "seconds": 0}}


@pytest.fixture
async def bridge(tmp_path: Path) -> AsyncIterator[Bridge]:
    """Run a bridge whose Valkey knows no script yet."""
    async with running_bridge(tmp_path, BRIDGE_SERVERS=str(SERVERS)) as running:
        yield running


async def ask(bridge: Bridge, **call: Any) -> dict[str, Any]:
    """Call a tool through a proxy; returns its structured result."""
    request = bridge.request("tools/call", **call)
    request.headers["via"] = "1.1 somewhere"
    told: dict[str, Any] = (await bridge.http.send(request)).json()["result"]["structuredContent"]
    return told


async def ask_twice(bridge: Bridge, **headers: str) -> None:
    """Make the call twice over one connection, each time with a single write."""
    request = bridge.request("tools/call", **CALL)
    lines = {**request.headers, **headers}.items()
    head = "".join(f"{name}: {value}\r\n" for name, value in lines)
    spelled = f"POST {request.url.path} HTTP/1.1\r\n{head}\r\n".encode() + request.content
    port = request.url.port
    assert port
    connection = await Connection.open(port)
    for _ in range(2):
        answer = await connection.ask(spelled)
        told = json.loads(answer.body)["result"]["structuredContent"]
        assert told.get("result", told)["label"] == "again"
    connection.close()


async def test_the_next_request_on_a_connection_proves_that_the_answer_before_it_came(
    bridge: Bridge,
) -> None:
    await ask_twice(bridge)
    assert len(bridge.runs("again")) == 2


async def test_a_client_is_told_to_keep_its_connection_until_the_answer_is_proven(
    bridge: Bridge,
) -> None:
    answer = await bridge.http.send(bridge.request("tools/call", **CALL))
    promised_s = int(answer.headers["keep-alive"].removeprefix("timeout="))
    assert SURE_AFTER_S < promised_s < KEPT_IDLE_S


async def test_behind_a_proxy_a_connection_proves_nothing(bridge: Bridge) -> None:
    await ask_twice(bridge, via="1.1 somewhere")
    assert len(bridge.runs("again")) == 1


async def test_a_result_that_was_read_by_its_id_is_received_behind_a_proxy_too(
    bridge: Bridge,
) -> None:
    await ask(bridge, **CALL)
    (call,) = (await ask(bridge, name="list_calls", arguments={}))["calls"]
    await ask(bridge, name="read_call", arguments={"call_id": call["call_id"]})

    await ask(bridge, **CALL)

    assert len(bridge.runs("again")) == 2


async def test_a_later_request_does_not_prove_what_a_frozen_process_has_answered(
    tmp_path: Path,
) -> None:
    """Connections of that process may break without its noticing."""
    message = call("slow_tool", 7, label="again", seconds=0)
    async with running_bridge(tmp_path, webs=2, BRIDGE_SERVERS=str(SERVERS)) as bridge:
        frozen, other = bridge.webs
        session = await open_session(bridge.http, f"{frozen.url}/mcp-2025/{SERVER}", token=TOKEN)
        headers = session.headers
        async with connecting(frozen.url) as client:
            build = bridge.http.build_request
            await client.send(build("POST", session.url, json=message, headers=headers))
            first = (await client.result())["structuredContent"]
            frozen.send_signal(signal.SIGSTOP)
            client.leave("reset")
        async with session.at(f"{other.url}/mcp-2025/{SERVER}").stream(message) as answer:
            (told,) = [event.message async for event in messages(answer)]
        assert told["result"]["structuredContent"]["result"] == first
        assert len(bridge.runs("again")) == 1


async def test_a_request_that_is_read_when_its_client_has_left_is_not_begun(
    tmp_path: Path,
) -> None:
    async with running_bridge(tmp_path, webs=2, BRIDGE_SERVERS=str(SERVERS)) as bridge:
        other, frozen = bridge.webs
        async with connecting(frozen.url) as client:
            await client.send(bridge.http.build_request("GET", f"{frozen.url}/healthz"))
            await client.read_until(rb"200 OK")
            frozen.send_signal(signal.SIGSTOP)
            await client.send(modern_request(frozen.url, SERVER, TOKEN, "tools/call", **CALL))
            client.leave("reset")

        await bridge.http.send(modern_request(other.url, SERVER, TOKEN, "tools/call", **CALL))
        # A later request proves that the result came. One to the frozen process shows then that it
        # has done what it still had to do.
        for web in (other, frozen):
            frozen.send_signal(signal.SIGCONT if web is frozen else signal.SIGSTOP)
            later = {"name": "slow_tool", "arguments": {"label": web.name, "seconds": 0}}
            await bridge.http.send(modern_request(web.url, SERVER, TOKEN, "tools/call", **later))
            assert len(bridge.runs(web.name)) == 1
        assert len(bridge.runs("again")) == 1


async def test_a_request_that_is_taken_over_joins_the_one_that_its_client_made_instead(
    tmp_path: Path,
) -> None:
    message: Message = call("slow_tool", 7, label="again", seconds=0)
    async with running_bridge(tmp_path, BRIDGE_SERVERS=str(SERVERS)) as bridge:
        (living,) = bridge.webs
        doomed = await bridge.add_web("request-recorded")
        async with open_pipe(bridge.http, living.url, f"/sse/{SERVER}", TOKEN) as pipe:
            path = pipe.messages_url.removeprefix(living.url)
            with pytest.raises(httpx2.RemoteProtocolError):
                await bridge.http.post(
                    doomed.url + path, json=message, headers=authorization(TOKEN)
                )
            await pipe.post(message | {"id": 8})
            first = (await answer_on(pipe.stream))["result"]["structuredContent"]
            await pipe.post(request("ping", 9))
            assert (await answer_on(pipe.stream))["id"] == 9

            taken_over = await answer_on(pipe.stream)
        assert taken_over["id"] == 7
        assert taken_over["result"]["structuredContent"]["result"] == first
        assert len(bridge.runs("again")) == 1

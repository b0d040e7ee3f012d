"""HTTP+SSE of 2024-11-05: one stream for everything out, one address for everything in."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from mcp.client import Client
from mcp.client.sse import sse_client

from bridge.app import BridgeApp
from bridge.mcp.wires.stream_reader import COME_BACK_MS, STANDING_RETRY_MS
from tests.claude import Spread, claude, sentence
from tests.conformance.endpoint import NAME as FIXTURES
from tests.doors.by_hand import (
    ALICE,
    BOB,
    Event,
    Pipe,
    answer_on,
    authorization,
    call,
    events,
    notification,
    open_pipe,
    open_session,
    request,
    shake_hands,
)
from tests.doors.every_wire import send
from tests.doors.telling import Accepting

USER = Accepting({"username": "alice", "email": "a@b.c"})


@pytest.fixture
async def pipe(web: str, http: httpx2.AsyncClient) -> AsyncIterator[Pipe]:
    """Return a session of alice's at the desk that has shaken hands."""
    async with open_pipe(http, web) as opened:
        await shake_hands(opened)
        yield opened


@pytest.mark.parametrize("path", ["/sse/desk", "/sse/desk/clients/laptop"])
async def test_the_first_event_says_where_messages_go_and_how_soon_to_come_back(
    web: str, http: httpx2.AsyncClient, path: str
) -> None:
    async with http.stream("GET", web + path, headers=authorization(ALICE)) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no"
        endpoint = await anext(events(answer))
    assert endpoint.name == "endpoint"
    assert (endpoint.data or "").startswith("/sse/desk/messages?session_id=")
    assert endpoint.retry_ms == STANDING_RETRY_MS


async def test_a_handshake_settles_the_version(web: str, http: httpx2.AsyncClient) -> None:
    async with open_pipe(http, web) as pipe:
        result = await shake_hands(pipe)
    assert result["protocolVersion"] == "2025-11-25"
    assert result["instructions"] == "What the tests work at."


async def test_answers_come_on_the_stream(pipe: Pipe) -> None:
    assert (await pipe.post(request("ping", 41))).status_code == 202
    assert await answer_on(pipe.stream) == {"jsonrpc": "2.0", "id": 41, "result": {}}


async def test_any_process_takes_the_messages_of_a_session(pipe: Pipe, other_web: str) -> None:
    path = pipe.messages_url.partition("/sse/")[2]
    elsewhere = Pipe(pipe.http, f"{other_web}/sse/{path}", pipe.stream, pipe.response)
    assert (await elsewhere.post(call("list_calls", 42))).status_code == 202
    assert (await answer_on(pipe.stream))["id"] == 42


async def test_an_unknown_tool_is_a_protocol_error(pipe: Pipe) -> None:
    await pipe.post(call("no_such_tool", 43))
    assert (await answer_on(pipe.stream))["error"]["code"] == -32602


async def test_several_requests_are_served_at_once(pipe: Pipe) -> None:
    await pipe.post(call("take_event", 44, wait_seconds=30))
    await pipe.post(request("ping", 45))
    assert (await answer_on(pipe.stream))["id"] == 45


async def test_a_cancelled_request_is_answered_no_more(pipe: Pipe, web: str) -> None:
    """Source: MCP 2024-11-05, "Cancellation"."""
    await pipe.post(call("take_event", 46, wait_seconds=60))
    await pipe.post(notification("notifications/cancelled", requestId=46))
    event_id = await send(pipe.http, web, "for whoever waits")
    await pipe.post(call("take_event", 47, wait_seconds=60))
    answer = await answer_on(pipe.stream)
    assert (answer["id"], event_id in str(answer["result"])) == (47, True)


async def test_a_silent_stream_shows_that_it_lives(pipe: Pipe) -> None:
    assert [(await anext(pipe.stream)).comment for _ in range(2)] == ["keepalive"] * 2


async def test_a_session_of_nobody_is_not_found(pipe: Pipe, web: str) -> None:
    nobody = Pipe(pipe.http, f"{web}/sse/desk/messages?session_id=x", pipe.stream, pipe.response)
    assert (await nobody.post(request("ping"))).status_code == 404


async def test_another_principals_session_looks_unknown(pipe: Pipe) -> None:
    stolen = Pipe(pipe.http, pipe.messages_url, pipe.stream, pipe.response, BOB)
    assert (await stolen.post(request("ping"))).status_code == 404


async def test_a_session_of_another_wire_looks_unknown(
    pipe: Pipe, web: str, http: httpx2.AsyncClient
) -> None:
    session = await open_session(http, f"{web}/mcp/desk")
    url = f"{web}/sse/desk/messages?session_id={session.session_id}"
    assert (
        await Pipe(http, url, pipe.stream, pipe.response).post(request("ping"))
    ).status_code == 404


async def test_draining_ends_the_stream_and_says_how_soon_to_come_back(
    pipe: Pipe, app: BridgeApp
) -> None:
    app.drain()
    assert [event async for event in pipe.stream if not event.comment] == [
        Event(retry_ms=COME_BACK_MS)
    ]


async def test_the_official_client_works_across_processes(web: str, other_web: str) -> None:
    async with claude("desk", ALICE, "sse", Spread([web, other_web]), web) as client:
        result = await client.call_tool("list_calls", {})
    assert result.structured_content == {"calls": [], "next_cursor": None}


async def test_the_official_client_is_asked_across_processes(web: str, other_web: str) -> None:
    def spread(
        headers: dict[str, str] | None = None,
        timeout: httpx2.Timeout | None = None,
        auth: httpx2.Auth | None = None,
    ) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=Spread([web, other_web]), timeout=20)

    transport = sse_client(f"{web}/sse/{FIXTURES}", httpx_client_factory=spread)
    async with Client(transport, mode="legacy", elicitation_callback=USER) as client:
        result = await client.call_tool("test_elicitation", {"message": "Who are you?"})
    assert "a@b.c" in sentence(result)

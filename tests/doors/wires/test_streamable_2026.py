"""The 2026 wire: each request stands alone, says in headers what it is, and gets its own answer."""

import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from bridge.app import BridgeApp
from tests.claude import Spread, sentence
from tests.conformance.endpoint import NAME as FIXTURES
from tests.doors.by_hand import (
    ALICE,
    N8N,
    VERSION_2026,
    Modern,
    authorization,
    call,
    events,
    messages,
    notification,
    open_session,
    request,
)
from tests.doors.telling import Accepting
from tests.waiting import wait_until

USER = Accepting({"name": "Alice"})
LISTEN = request("subscriptions/listen", 7, notifications={"toolsListChanged": True})


@pytest.fixture
def desk(web: str, http: httpx2.AsyncClient) -> Modern:
    """Return alice's way to the desk."""
    return Modern(http, f"{web}/mcp/desk")


@pytest.fixture
def fixtures(web: str, http: httpx2.AsyncClient) -> Modern:
    """Return a way to the suite's fixtures."""
    return Modern(http, f"{web}/mcp/{FIXTURES}")


# Requests


async def test_a_quick_answer_is_json_and_opens_no_session(desk: Modern) -> None:
    answer = await desk.post(call("list_calls", 3))
    assert answer.headers["content-type"] == "application/json"
    assert "mcp-session-id" not in answer.headers
    assert answer.json()["id"] == 3
    assert answer.json()["result"]["resultType"] == "complete"
    assert answer.json()["result"]["structuredContent"] == {"calls": [], "next_cursor": None}


async def test_a_server_says_what_it_is_and_how_long_that_holds(desk: Modern) -> None:
    answer = await desk.post(request("server/discover"))
    found = answer.json()["result"]
    assert VERSION_2026 in found["supportedVersions"]
    assert found["instructions"] == "What the tests work at."
    assert found["ttlMs"] > 0
    assert found["cacheScope"] == "private"


async def test_the_list_of_tools_says_how_long_it_holds(desk: Modern) -> None:
    listed = (await desk.post(request("tools/list"))).json()["result"]
    assert listed["ttlMs"] > 0
    assert listed["cacheScope"] == "private"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_there_is_nothing_but_post(desk: Modern, method: str) -> None:
    headers = desk.headers(request("ping"))
    answer = await desk.http.request(method, desk.url, headers=headers)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


async def test_a_notification_is_taken(desk: Modern) -> None:
    message = notification("notifications/cancelled", requestId=1)
    answer = await desk.http.post(desk.url, json=message, headers=desk.headers(message))
    assert answer.status_code == 202


async def test_an_unknown_tool_is_a_protocol_error(desk: Modern) -> None:
    answer = await desk.post(call("no_such_tool"))
    assert answer.json()["error"]["code"] == -32602


@pytest.mark.parametrize("method", ["no/such", "initialize", "ping", "logging/setLevel"])
async def test_an_unknown_method_is_not_found(desk: Modern, method: str) -> None:
    answer = await desk.post(request(method, 8))
    assert answer.status_code == 404
    assert (answer.json()["id"], answer.json()["error"]["code"]) == (8, -32601)


@pytest.mark.parametrize(
    "headers",
    [
        {"mcp_method": ""},
        {"mcp_method": "tools/list"},
        {"mcp_method": "TOOLS/CALL"},
        {"mcp_name": ""},
        {"mcp_name": "take_event"},
        {"mcp_protocol_version": ""},
    ],
)
async def test_headers_must_repeat_what_the_body_says(
    desk: Modern, headers: dict[str, str]
) -> None:
    """Source: MCP 2026-07-28, SEP-2243."""
    answer = await desk.post(call("list_calls"), **headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == -32020


async def test_a_header_that_comes_twice_is_refused(desk: Modern) -> None:
    message = call("list_calls")
    headers = [*desk.headers(message).items(), ("mcp-name", "list_calls")]
    answer = await desk.http.post(desk.url, json=desk.enveloped(message), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32020)


@pytest.mark.parametrize(("region", "status"), [("north", 200), ("south", 400), ("", 400)])
async def test_an_argument_that_is_to_be_repeated_in_a_header_must_be(
    fixtures: Modern, region: str, status: int
) -> None:
    answer = await fixtures.post(call("test_x_mcp_header", region="north"), mcp_param_region=region)
    assert answer.status_code == status


async def test_an_unknown_version_is_told_the_known_ones(desk: Modern) -> None:
    message = desk.enveloped(request("tools/list"))
    message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2099-01-01"
    headers = desk.headers(message) | {"mcp-protocol-version": "2099-01-01"}
    answer = await desk.http.post(desk.url, json=message, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == -32022
    assert answer.json()["error"]["data"] == {
        "supported": [VERSION_2026],
        "requested": "2099-01-01",
    }


# Streams


@pytest.fixture
def _soon_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have streams open sooner than a test would wait for."""
    monkeypatch.setattr("bridge.mcp.wires.streamable_2026.OPEN_WITHIN_S", 0.1)


async def test_what_is_told_meanwhile_comes_on_the_requests_own_stream(fixtures: Modern) -> None:
    message = request(
        "tools/call",
        5,
        name="test_tool_with_progress",
        arguments={},
        _meta={"progressToken": "mine"},
    )
    async with fixtures.stream(message) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no"
        told = [event async for event in events(answer)]
    *progress, last = [event.message for event in told if not event.comment]
    assert [message["params"]["progress"] for message in progress] == [0, 50, 100]
    assert {message["params"]["progressToken"] for message in progress} == {"mine"}
    assert last["id"] == 5


async def test_a_stream_of_this_wire_cannot_be_resumed_and_says_so(fixtures: Modern) -> None:
    """Source: MCP 2026-07-28, "Streamable HTTP": event ids have no meaning any more."""
    message = request(
        "tools/call", name="test_tool_with_progress", arguments={}, _meta={"progressToken": 1}
    )
    async with fixtures.stream(message) as answer:
        assert {event.id for event in [event async for event in events(answer)]} == {None}


@pytest.mark.usefixtures("_soon_open")
async def test_a_call_that_takes_long_opens_its_stream_before_it_has_an_answer(
    desk: Modern,
) -> None:
    async with desk.stream(call("take_event", wait_seconds=30)) as answer:
        stream = events(answer)
        assert [(await anext(stream)).comment for _ in range(3)] == ["keepalive"] * 3


@pytest.mark.usefixtures("_soon_open")
async def test_a_waiter_whose_client_has_left_takes_nothing(
    desk: Modern, web: str, app: BridgeApp
) -> None:
    async with desk.stream(call("take_event", wait_seconds=300)) as answer:
        await anext(events(answer))
    await wait_until(lambda: len(app.mcp.streams) == 0, "the end of the stream")
    sent = await desk.http.post(
        f"{web}/hooks/desk/letters", json={"to": "Claude"}, headers=authorization(N8N)
    )
    assert sent.status_code == 202
    listed = (await desk.post(call("list_events"))).json()["result"]["structuredContent"]
    assert [event["status"] for event in listed["events"]] == ["queued"]


async def test_nobody_is_asked_on_this_wire(fixtures: Modern) -> None:
    asking = Modern(fixtures.http, fixtures.url, capabilities={"elicitation": {}})
    answer = await asking.post(call("test_streaming_elicitation"))
    assert answer.json()["result"]["content"][0]["text"].startswith("Not asked")


async def test_what_is_needed_first_is_asked_for_by_the_result(web: str, other_web: str) -> None:
    async with httpx2.AsyncClient(transport=Spread([web, other_web]), timeout=20) as http:
        transport = streamable_http_client(f"{web}/mcp/{FIXTURES}", http_client=http)
        async with Client(transport, mode=VERSION_2026, elicitation_callback=USER) as client:
            result = await client.call_tool("test_input_required_result_elicitation", {})
    assert sentence(result) == "Hello, Alice!"


# Subscriptions


async def test_a_subscription_is_acknowledged_first_and_shows_that_it_lives(desk: Modern) -> None:
    async with desk.stream(LISTEN) as answer:
        stream = events(answer)
        acknowledged = (await anext(stream)).message
        assert [(await anext(stream)).comment for _ in range(2)] == ["keepalive"] * 2
    assert acknowledged["method"] == "notifications/subscriptions/acknowledged"
    assert acknowledged["params"]["notifications"] == {"toolsListChanged": True}
    assert acknowledged["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == 7


async def test_draining_ends_a_subscription_with_its_result(desk: Modern, app: BridgeApp) -> None:
    """Source: MCP 2026-07-28, "Subscriptions": how a server ends one in peace."""
    async with desk.stream(LISTEN) as answer:
        told = messages(answer)
        await anext(told)
        app.drain()
        last = [event.message async for event in told]
    assert [message["id"] for message in last] == [7]
    assert last[0]["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == 7


@pytest.mark.usefixtures("_soon_open")
async def test_draining_answers_a_call_that_waits_and_ends_its_stream(
    desk: Modern, app: BridgeApp
) -> None:
    async with desk.stream(call("take_event", wait_seconds=300)) as answer:
        stream = events(answer)
        await anext(stream)
        app.drain()
        (last,) = [event.message async for event in stream if event.data]
    assert last["result"]["structuredContent"] == {"event_id": None}


# The address of the 2025 wires only


async def test_the_resumable_address_names_the_versions_it_serves(
    web: str, http: httpx2.AsyncClient
) -> None:
    answer = await Modern(http, f"{web}/mcp-2025/desk").post(request("server/discover", 4))
    assert answer.status_code == 400
    assert answer.json()["id"] == 4
    assert answer.json()["error"]["code"] == -32022
    assert VERSION_2026 not in answer.json()["error"]["data"]["supported"]
    assert "2025-11-25" in answer.json()["error"]["data"]["supported"]


async def test_a_client_of_both_eras_falls_back_at_the_resumable_address(web: str) -> None:
    async with httpx2.AsyncClient(headers=authorization(ALICE), timeout=20) as http:
        transport = streamable_http_client(f"{web}/mcp-2025/desk", http_client=http)
        async with Client(transport, mode="auto") as client:
            assert client.protocol_version == "2025-11-25"
            assert (await client.call_tool("list_calls", {})).structured_content == {
                "calls": [],
                "next_cursor": None,
            }


async def test_a_client_of_both_eras_takes_the_newer_one_at_the_common_address(web: str) -> None:
    async with httpx2.AsyncClient(headers=authorization(ALICE), timeout=20) as http:
        transport = streamable_http_client(f"{web}/mcp/desk", http_client=http)
        async with Client(transport, mode="auto") as client:
            assert client.protocol_version == VERSION_2026


async def test_a_session_is_the_same_at_both_addresses(web: str, http: httpx2.AsyncClient) -> None:
    session = await open_session(http, f"{web}/mcp-2025/desk")
    assert (await session.at(f"{web}/mcp/desk").post(request("ping"))).status_code == 200
    assert (await session.end()).status_code == 200

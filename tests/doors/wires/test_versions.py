"""Which version a client is served: what it asks for, what it says, and what no version has."""

import base64
from typing import Any

import httpx2
import pytest

from tests.conformance.endpoint import NAME as FIXTURES
from tests.doors.by_hand import (
    ALICE,
    BOTH,
    VERSION_2025,
    VERSION_2026,
    Message,
    Modern,
    Session,
    authorization,
    call,
    handshake,
    messages,
    notification,
    open_session,
    request,
)

OLD = authorization(ALICE) | {"accept": BOTH}
VERSION_OF_BATCHES = "2025-03-26"


@pytest.fixture
def desk(web: str, http: httpx2.AsyncClient) -> Modern:
    """Return alice's way to the desk on the 2026 wire."""
    return Modern(http, f"{web}/mcp/desk")


# The handshake


@pytest.mark.parametrize("address", ["mcp", "mcp-2025"])
@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2024-01-01", VERSION_2025),
        ("2099-01-01", VERSION_2025),
        (VERSION_2026, VERSION_2025),
    ],
)
async def test_a_handshake_gives_the_version_asked_for_or_else_the_newest_it_can(
    web: str, http: httpx2.AsyncClient, address: str, asked: str, given: str
) -> None:
    message = request("initialize", **handshake(asked))
    answer = await http.post(f"{web}/{address}/desk", json=message, headers=OLD)
    assert answer.json()["result"]["protocolVersion"] == given
    assert answer.headers["mcp-session-id"]


async def test_a_client_from_before_the_version_header_need_not_send_one(
    web: str, http: httpx2.AsyncClient
) -> None:
    session = await open_session(http, f"{web}/mcp/desk", version="2025-03-26")
    headers = {name: it for name, it in session.headers.items() if name != "mcp-protocol-version"}
    answer = await http.post(session.url, json=request("tools/list"), headers=headers)
    assert answer.json()["result"]["tools"]


# The era of a request


@pytest.mark.parametrize("header", [VERSION_2025, None])
async def test_an_envelope_that_contradicts_the_header_is_refused(
    desk: Modern, header: str | None
) -> None:
    """Source: MCP 2026-07-28, "Protocol Version Header"."""
    message = call("list_calls")
    headers = desk.headers(message)
    del headers["mcp-protocol-version"]
    headers |= {"mcp-protocol-version": header} if header else {}
    answer = await desk.http.post(desk.url, json=desk.enveloped(message), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32020)


@pytest.mark.parametrize("missing", ["protocolVersion", "clientCapabilities"])
async def test_an_envelope_without_what_it_must_hold_is_refused(desk: Modern, missing: str) -> None:
    message = desk.enveloped(call("list_calls"))
    del message["params"]["_meta"][f"io.modelcontextprotocol/{missing}"]
    answer = await desk.http.post(desk.url, json=message, headers=desk.headers(message))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32602)


async def test_a_name_may_come_encoded(desk: Modern) -> None:
    """Source: MCP 2026-07-28, "Value Encoding"."""
    encoded = f"=?base64?{base64.b64encode(b'list_calls').decode()}?="
    answer = await desk.post(call("list_calls"), mcp_name=encoded)
    assert answer.status_code == 200
    other = await desk.post(call("list_calls"), mcp_name="=?base64?!!?=")
    assert (other.status_code, other.json()["error"]["code"]) == (400, -32020)


async def test_an_old_session_id_means_nothing_to_a_new_request(desk: Modern) -> None:
    answer = await desk.post(call("list_calls"), mcp_session_id="of-nobody", last_event_id="x/1-1")
    assert answer.status_code == 200
    assert "mcp-session-id" not in answer.headers


async def test_a_notification_of_an_unknown_version_is_refused(desk: Modern) -> None:
    message = notification("notifications/cancelled", requestId=1)
    headers = desk.headers(message) | {"mcp-protocol-version": "2099-01-01"}
    answer = await desk.http.post(desk.url, json=message, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32022)


@pytest.mark.parametrize(
    "body", [{"jsonrpc": "2.0", "id": 1, "result": {}}, [request("tools/list")], []]
)
async def test_the_2026_wire_takes_neither_answers_nor_batches(desk: Modern, body: Any) -> None:
    headers = desk.headers(request("tools/list"))
    answer = await desk.http.post(desk.url, json=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32600)


@pytest.mark.parametrize(
    "message",
    [
        request("server/discover"),
        request("tools/list"),
        call("list_calls"),
        request("resources/list"),
        request("resources/templates/list"),
        request("resources/read", uri="test://static-text"),
        request("prompts/list"),
        request("prompts/get", name="test_simple_prompt"),
    ],
)
async def test_each_result_says_that_it_is_complete_and_each_list_how_long_it_holds(
    web: str, http: httpx2.AsyncClient, message: Message
) -> None:
    answer = await Modern(http, f"{web}/mcp/{FIXTURES}").post(message)
    result = answer.json()["result"]
    assert result["resultType"] == "complete"
    if message["method"] not in ("tools/call", "prompts/get"):
        assert result["ttlMs"] >= 0
        assert result["cacheScope"] in ("private", "public")


async def test_the_list_of_tools_is_the_same_each_time(desk: Modern) -> None:
    first, second = [(await desk.post(request("tools/list"))).json() for _ in range(2)]
    assert first == second


# What HTTP asks for


@pytest.mark.parametrize("accept", ["*/*", "application/*, text/*", "text/*;q=0.5, */*;q=0.1"])
async def test_a_range_of_kinds_takes_the_kinds_in_it(desk: Modern, accept: str) -> None:
    assert (await desk.post(call("list_calls"), accept=accept)).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("address", ["mcp", "mcp-2025"])
async def test_other_methods_are_not_allowed(
    web: str, http: httpx2.AsyncClient, address: str, method: str
) -> None:
    answer = await http.request(method, f"{web}/{address}/desk", headers=OLD)
    assert answer.status_code == 405


# Batches


@pytest.fixture
async def oldest(web: str, http: httpx2.AsyncClient) -> Session:
    """Return a session of the one version that has batches."""
    return await open_session(http, f"{web}/mcp/desk", version=VERSION_OF_BATCHES)


async def test_a_batch_is_answered_on_one_stream_that_ends_with_its_last_answer(
    oldest: Session,
) -> None:
    """Source: MCP 2025-03-26, "Sending Messages to the Server"."""
    batch: Any = [
        request("tools/list", 1),
        call("take_event", 2, wait_seconds=3),
        notification("notifications/initialized"),
        request("no/such", 3),
    ]
    async with oldest.stream(batch) as answer:
        told = [event.message async for event in messages(answer)]
    assert sorted(message["id"] for message in told) == [1, 2, 3]
    assert told[-1]["id"] == 2


async def test_a_batch_that_asks_nothing_is_taken(oldest: Session) -> None:
    batch: Any = [notification("notifications/cancelled", requestId=9)] * 2
    assert (await oldest.post(batch)).status_code == 202


async def test_a_batch_can_be_resumed(oldest: Session, other_web: str) -> None:
    batch: Any = [request("ping", 1), call("take_event", 2, wait_seconds=1)]
    async with oldest.stream(batch) as answer:
        first = await anext(messages(answer))
    async with oldest.at(f"{other_web}/mcp/desk").listen(first.id) as resumed:
        told = [event.message["id"] async for event in messages(resumed)]
    assert (first.message["id"], told) == (1, [2])


@pytest.mark.parametrize(
    "batch", [[], [1], [request("initialize", **handshake(VERSION_OF_BATCHES))]]
)
async def test_a_batch_that_is_none_is_refused(oldest: Session, batch: Any) -> None:
    answer = await oldest.post(batch)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32600)


async def test_later_versions_have_no_batches(session: Session) -> None:
    batch: Any = [request("ping")]
    answer = await session.post(batch)
    assert answer.status_code == 400
    assert "batches" in answer.json()["error"]["message"]

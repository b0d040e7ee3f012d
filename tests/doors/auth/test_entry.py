"""What stands before every MCP address: known hosts and origins, and a token."""

import asyncio
import json

import httpx2
import pytest

from tests.claude import WIRES, Spread, Wire, claude
from tests.doors.by_hand import ALICE, BOTH, authorization, call, open_session, request

ADDRESSES = [
    ("POST", "/mcp/desk"),
    ("GET", "/mcp/desk"),
    ("DELETE", "/mcp/desk"),
    ("POST", "/mcp-2025/desk"),
    ("GET", "/sse/desk"),
    ("GET", "/sse/desk/clients/laptop"),
    ("POST", "/sse/desk/messages?session_id=x"),
]
TOOLS = [
    "stamp",
    "list_events",
    "take_event",
    "read_event",
    "reply_to_event",
    "extend_event",
    "release_event",
    "read_call",
    "list_calls",
    "cancel_call",
]


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
@pytest.mark.parametrize("token", ["", "Bearer wrong", "Basic the-token-of-alice", "Bearer"])
async def test_without_a_token_of_the_server_nobody_gets_in(
    web: str, http: httpx2.AsyncClient, method: str, path: str, token: str
) -> None:
    """Source: RFC 6750, 3; MCP 2025-11-25, "Authorization"."""
    answer = await http.request(
        method, web + path, headers={"authorization": token} if token else {}
    )
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
async def test_a_foreign_origin_is_refused(
    web: str, http: httpx2.AsyncClient, method: str, path: str
) -> None:
    headers = authorization(ALICE) | {"origin": "https://evil.example"}
    assert (await http.request(method, web + path, headers=headers)).status_code == 403


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
async def test_a_foreign_host_is_refused(
    web: str, http: httpx2.AsyncClient, method: str, path: str
) -> None:
    headers = authorization(ALICE) | {"host": "evil.example"}
    assert (await http.request(method, web + path, headers=headers)).status_code == 421


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_whoever_asks_for_health_may_call_us_what_he_likes(
    web: str, http: httpx2.AsyncClient, path: str
) -> None:
    assert (await http.get(web + path, headers={"host": "10.0.0.7:8080"})).status_code == 200


async def test_a_loopback_origin_is_known(web: str, http: httpx2.AsyncClient) -> None:
    headers = authorization(ALICE) | {"accept": BOTH, "origin": "http://localhost:6274"}
    answer = await http.post(f"{web}/mcp/desk", json=request("ping"), headers=headers)
    assert answer.status_code == 400


@pytest.mark.parametrize("path", ["/mcp/nobody", "/mcp-2025/nobody", "/sse/nobody/messages"])
async def test_an_unknown_server_is_not_found(
    web: str, http: httpx2.AsyncClient, path: str
) -> None:
    answer = await http.post(web + path, json=request("ping"), headers=authorization(ALICE))
    assert answer.status_code == 404


async def test_whitespace_around_a_header_value_is_no_part_of_it(
    web: str, http: httpx2.AsyncClient
) -> None:
    """Source: RFC 9110, 5.5."""
    session = await open_session(http, f"{web}/mcp/desk")
    body = json.dumps(request("ping"))
    host, port = web.removeprefix("http://").split(":")
    fields = session.headers | {"host": host, "content-length": str(len(body))}
    head = "".join(f"{name}: \t {value} \t\r\n" for name, value in fields.items())
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"POST /mcp/desk HTTP/1.1\r\n{head}connection: close\r\n\r\n{body}".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 200")
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"jsonrpc": "2.0", "id": 1, "result": {}}


@pytest.mark.parametrize("wire", WIRES)
async def test_the_tools_are_the_same_on_every_wire(web: str, wire: Wire) -> None:
    async with claude("desk", ALICE, wire, Spread([web]), web) as client:
        listed = await client.list_tools()
    assert [tool.name for tool in listed.tools] == TOOLS


@pytest.mark.parametrize("wire", WIRES)
async def test_wrong_arguments_are_a_tool_error_that_names_the_fault(web: str, wire: Wire) -> None:
    """Source: MCP 2025-11-25, SEP-1303."""
    async with claude("desk", ALICE, wire, Spread([web]), web) as client:
        result = await client.call_tool("stamp", {"lettre": "A"})
    assert result.is_error
    assert "lettre" in str(result.content)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", -32700),
        (b"\xff", -32700),
        (b"[]", -32600),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600),
        (b'{"id":1,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1}', -32600),
    ],
)
@pytest.mark.parametrize("path", ["/mcp/desk", "/sse/desk/messages"])
async def test_what_is_no_json_rpc_message_is_answered_400(
    web: str, http: httpx2.AsyncClient, path: str, body: bytes, code: int
) -> None:
    """Source: JSON-RPC 2.0, 5.1; null ids and batches: MCP 2025-06-18."""
    headers = authorization(ALICE) | {"accept": BOTH, "content-type": "application/json"}
    answer = await http.post(web + path, content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == code
    assert answer.json()["id"] is None


async def test_a_body_beyond_the_limit_is_refused(web: str, http: httpx2.AsyncClient) -> None:
    session = await open_session(http, f"{web}/mcp/desk")
    assert (await session.post(call("stamp", letter="A" * 100_000))).status_code == 413

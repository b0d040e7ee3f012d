"""Methods: an address that does not take one says which it takes, and no HEAD opens a stream.

Source: RFC 9110, 9.3.2, 10.2.1 and 15.5.6.
"""

import re

import httpx2
import pytest

from bridge.app import ROUTES, BridgeApp
from tests.doors.by_hand import ALICE, authorization
from tests.doors.conftest import DESK

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
TAKEN = {
    path: {method for route in ROUTES if route.path == path for method in route.methods or ()}
    for path in dict.fromkeys(route.path for route in ROUTES)
}
TAKEN["/hooks/{server}/{hook}"] = {
    "POST"
}  # save where a provider asks by GET: see test_hook_options
STREAMS = ("/mcp/desk", "/mcp-2025/desk", "/sse/desk", "/sse/desk/clients/claude")


@pytest.mark.parametrize("path", TAKEN)
async def test_what_an_address_does_not_take_it_refuses_and_says_what_it_takes(
    web: str, http: httpx2.AsyncClient, path: str
) -> None:
    assert TAKEN[path]
    for method in METHODS - TAKEN[path]:
        answer = await http.request(
            method, web + re.sub(r"\{\w+\}", DESK.name, path), headers=authorization(ALICE)
        )
        assert answer.status_code == 405, method
        assert set(answer.headers["allow"].split(", ")) == TAKEN[path], method
        assert method == "HEAD" or answer.json()["status"] == 405


def test_the_addresses_of_mcp_take_what_the_protocol_asks_for() -> None:
    assert {path: taken for path, taken in TAKEN.items() if path.startswith(("/mcp", "/sse"))} == {
        "/mcp/{server}": {"GET", "POST", "DELETE"},
        "/mcp-2025/{server}": {"GET", "POST", "DELETE"},
        "/sse/{server}": {"GET"},
        "/sse/{server}/clients/{client}": {"GET"},
        "/sse/{server}/messages": {"POST"},
    }


@pytest.mark.parametrize("path", STREAMS)
async def test_no_head_opens_a_stream_or_begins_a_session(
    web: str, http: httpx2.AsyncClient, app: BridgeApp, path: str
) -> None:
    answer = await http.head(web + path, headers=authorization(ALICE))
    assert answer.status_code == 405
    assert len(app.mcp.streams) == 0
    redis = app.runtime.redis
    assert not [key async for key in redis.scan_iter("{bridge}:session*")]

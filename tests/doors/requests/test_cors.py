"""Web pages: those of an origin that is let in may ask, and read the answers; others may not."""

import httpx2
import pytest

from bridge.configuration.settings import Settings
from tests.doors.by_hand import ALICE, VERSION_2025, authorization, request

INSPECTOR = "https://inspector.example.com"
LOOPBACK = "http://localhost:6274"
PAGES = (INSPECTOR, LOOPBACK)
ASKED = "authorization,content-type,mcp-protocol-version,mcp-param-city"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Let the Inspector's page in."""
    return settings.model_copy(update={"allowed_origins": (INSPECTOR,)})


@pytest.mark.parametrize("origin", PAGES)
@pytest.mark.parametrize("path", ["/mcp/desk", "/sse/desk", "/.well-known/x", "/token"])
async def test_a_page_that_is_let_in_is_told_that_it_may_ask(
    web: str, http: httpx2.AsyncClient, origin: str, path: str
) -> None:
    headers = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": ASKED,
        "access-control-request-private-network": "true",
    }
    answer = await http.options(web + path, headers=headers)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["access-control-allow-headers"] == ASKED
    assert "DELETE" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-private-network"] == "true"
    assert "Origin" in answer.headers["vary"]
    assert "access-control-allow-credentials" not in answer.headers


async def test_a_page_that_names_no_headers_is_allowed_none_by_name(
    web: str, http: httpx2.AsyncClient
) -> None:
    for named in ({}, {"access-control-request-headers": "x-a, <b>"}):
        headers = {"origin": INSPECTOR, "access-control-request-method": "POST"} | named
        answer = await http.options(f"{web}/mcp/desk", headers=headers)
        assert answer.status_code == 204
        assert "access-control-allow-headers" not in answer.headers
        assert "access-control-allow-private-network" not in answer.headers


@pytest.mark.parametrize("origin", PAGES)
async def test_a_page_reads_its_session_and_its_refusals(
    web: str, http: httpx2.AsyncClient, origin: str
) -> None:
    hello = request(
        "initialize",
        1,
        protocolVersion=VERSION_2025,
        capabilities={},
        clientInfo={"name": "page", "version": "1"},
    )
    headers = {"origin": origin, "accept": "application/json, text/event-stream"}
    for token, status in ((ALICE, 200), ("wrong", 401)):
        answer = await http.post(
            f"{web}/mcp/desk", json=hello, headers=headers | authorization(token)
        )
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == origin
        exposed = answer.headers["access-control-expose-headers"]
        assert {"Mcp-Session-Id", "WWW-Authenticate"} <= set(exposed.split(", "))
        assert ("mcp-session-id" in answer.headers) == (status == 200)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost.evil.example"]
)
async def test_a_page_that_is_not_let_in_is_told_nothing(
    web: str, http: httpx2.AsyncClient, origin: str
) -> None:
    headers = {"origin": origin, "access-control-request-method": "POST"}
    answer = await http.options(f"{web}/mcp/desk", headers=headers)
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


async def test_what_is_no_page_is_answered_as_ever(web: str, http: httpx2.AsyncClient) -> None:
    answer = await http.options(f"{web}/mcp/desk")
    assert answer.status_code == 405
    assert "access-control-allow-origin" not in answer.headers

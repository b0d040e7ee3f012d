"""A bridge whose public address has a path: every address that it writes keeps it.

Some proxies take the path off before they pass a request on, and some do not.
"""

from collections.abc import AsyncIterator

import httpx2
import pytest

from bridge.app import BridgeApp
from bridge.configuration.settings import Settings
from tests.doors.by_hand import ALICE, N8N, authorization, events
from tests.doors.conftest import DESK
from tests.doors.oauth_by_hand import open_flow
from tests.doors.official_client import Kept, official_client
from tests.serving import serving

PUBLIC = "https://example.com/tools/bridge"


@pytest.fixture(scope="module", params=[PUBLIC, "https://example.com/mcp"])
def public_url(request: pytest.FixtureRequest) -> str:
    """Return an address that looks like none of the bridge's own, and one that does."""
    url: str = request.param
    return url


@pytest.fixture
async def behind(redis_url: str, public_url: str) -> AsyncIterator[tuple[str, str]]:
    app = BridgeApp(Settings(redis_url=redis_url, public_url=public_url), {DESK.name: DESK})
    async with serving(app) as address:
        yield address, httpx2.URL(public_url).path


async def test_an_sse_client_is_told_where_to_send_by_the_public_path(
    behind: tuple[str, str], http: httpx2.AsyncClient
) -> None:
    address, path = behind
    for taken_off in ("", path):
        async with http.stream(
            "GET", f"{address}{taken_off}/sse/desk", headers=authorization(ALICE)
        ) as stream:
            endpoint = (await anext(events(stream))).data or ""
            assert endpoint.startswith(f"{path}/sse/desk/messages?")
            ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
            for sent_to in (endpoint, endpoint.removeprefix(path)):
                answer = await http.post(address + sent_to, json=ping, headers=authorization(ALICE))
                assert answer.status_code == 202


async def test_a_status_url_keeps_the_public_path(
    behind: tuple[str, str], http: httpx2.AsyncClient, public_url: str
) -> None:
    address, path = behind
    for taken_off in ("", path):
        answer = await http.post(
            f"{address}{taken_off}/hooks/desk/letters", json={}, headers=authorization(N8N)
        )
        assert answer.status_code == 202
        status_url = answer.json()["status_url"]
        assert status_url.startswith(f"{public_url}/events/")
        at = status_url.removeprefix("https://example.com").removeprefix("" if taken_off else path)
        shown = await http.get(address + at, headers=authorization(N8N))
        assert shown.status_code == 200


async def test_what_only_looks_like_the_public_path_is_nothing(
    behind: tuple[str, str], http: httpx2.AsyncClient
) -> None:
    address, path = behind
    answer = await http.get(f"{address}{path}x/healthz")
    assert answer.status_code == 404


async def test_an_oauth_client_finds_its_way_in_behind_a_path(redis_url: str) -> None:
    kept = Kept()
    async with (
        open_flow(redis_url, path="/tools/bridge") as flow,
        official_client(flow, "/mcp/desk", kept) as claude,
    ):
        assert "take_event" in [tool.name for tool in (await claude.list_tools()).tools]


@pytest.mark.parametrize(
    "at",
    [
        "/tools/bridge/.well-known/openid-configuration",
        "/.well-known/openid-configuration/tools/bridge",
        "/.well-known/oauth-authorization-server/tools/bridge",
    ],
)
async def test_an_issuer_with_a_path_is_found_wherever_clients_look(
    redis_url: str, at: str
) -> None:
    """Source: MCP 2025-11-25, "Authorization Server Metadata Discovery"."""
    async with open_flow(redis_url, path="/tools/bridge") as flow:
        root = flow.origin.removesuffix("/tools/bridge")
        found = (await flow.http.get(root + at)).json()
        assert found["issuer"] == flow.origin
        assert found["token_endpoint"] == f"{flow.origin}/token"
        resource = f"{root}/.well-known/oauth-protected-resource/tools/bridge/mcp/desk"
        assert (await flow.http.get(resource)).json()["resource"] == flow.resource

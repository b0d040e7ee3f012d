"""How many sessions and streams there may be, and what those are told who find no room."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from bridge.app import BridgeApp
from bridge.configuration.settings import Settings
from tests.doors.by_hand import (
    ALICE,
    BOB,
    BOTH,
    Session,
    authorization,
    events,
    handshake,
    open_session,
    request,
)
from tests.doors.conftest import build
from tests.serving import serving
from tests.waiting import wait_until


@pytest.fixture
def app(settings: Settings) -> BridgeApp:
    """Build an app with room for one session a principal and for one stream."""
    return build(settings.model_copy(update={"principal_sessions_max": 1, "streams_max": 1}))


@pytest.fixture
async def web(app: BridgeApp) -> AsyncIterator[str]:
    """Return the address of one web process."""
    async with serving(app) as address:
        yield address


async def test_a_token_with_all_its_sessions_in_use_is_told_to_come_back(
    web: str, http: httpx2.AsyncClient
) -> None:
    url = f"{web}/mcp/desk"
    first = await open_session(http, url)
    headers = authorization(ALICE) | {"accept": BOTH}
    answer = await http.post(
        url, json=request("initialize", **handshake("2025-11-25")), headers=headers
    )
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "30")
    assert "BRIDGE_PRINCIPAL_SESSIONS_MAX" in answer.json()["detail"]
    assert (await first.post(request("ping"))).status_code == 200
    await open_session(http, url, token=BOB)
    await first.end()
    await open_session(http, url)


async def test_a_process_with_all_its_streams_open_sends_to_another(
    web: str, http: httpx2.AsyncClient, session: Session, app: BridgeApp
) -> None:
    async with session.listen() as standing:
        told = events(standing)  # it reads on: dropped, it would close the stream
        await anext(told)
        other = await http.get(f"{web}/sse/desk", headers=authorization(BOB))
        assert (other.status_code, other.headers["retry-after"]) == (503, "5")
        async with session.listen() as refused:
            assert refused.status_code == 503
            assert refused.headers["retry-after"] == "5"
        assert (await session.post(request("tools/list"))).status_code == 200
    await wait_until(lambda: len(app.mcp.streams) == 0, "the end of the stream")
    async with session.listen() as again:
        assert again.status_code == 200

"""Requests that come before a process is open wait for it; the last ones are sent elsewhere."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest

from bridge import app as bridge_app
from bridge.app import BridgeApp
from bridge.configuration.settings import Settings
from tests.apps import BASE
from tests.doors.by_hand import ALICE, BOTH, authorization, request
from tests.doors.conftest import build

SESSION = authorization(ALICE) | {"accept": BOTH, "mcp-session-id": "one-that-may-exist"}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing wait for a process that starts."""
    monkeypatch.setattr(bridge_app, "PATIENCE_S", 0.0)


@pytest.fixture
def closed(settings: Settings) -> BridgeApp:
    """Return the app of a process that has not started yet."""
    return build(settings)


@pytest.fixture
async def client(closed: BridgeApp) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a client of it."""
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(closed), base_url=BASE) as client:
        yield client


@pytest.mark.usefixtures("impatient")
async def test_no_session_is_unknown_to_a_process_that_starts(
    client: httpx2.AsyncClient,
) -> None:
    answers = [
        await client.post("/mcp/desk", json=request("ping"), headers=SESSION),
        await client.get("/mcp/desk", headers=SESSION),
        await client.get("/sse/desk", headers=SESSION),
        await client.post("/sse/desk/messages?session_id=x", json=request("ping"), headers=SESSION),
        await client.post("/hooks/desk/letters", json={}),
        await client.get("/readyz"),
    ]
    assert [answer.status_code for answer in answers] == [503] * len(answers)
    assert {answer.headers["retry-after"] for answer in answers} == {"1"}


@pytest.mark.usefixtures("impatient")
async def test_a_process_that_starts_is_alive(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/healthz")).status_code == 200


async def test_a_request_waits_for_a_process_that_starts(
    closed: BridgeApp, client: httpx2.AsyncClient
) -> None:
    waiting = asyncio.create_task(client.get("/events/evt_x"))
    assert (await client.get("/readyz")).status_code == 503
    assert not waiting.done()
    async with closed.router.lifespan_context(closed):
        assert (await waiting).status_code == 401
        assert (await client.get("/readyz")).status_code == 200


async def test_a_process_that_drains_answers_each_client_once_more(
    web: str, app: BridgeApp, http: httpx2.AsyncClient
) -> None:
    app.drain()
    answer = await http.post(f"{web}/hooks/desk/letters", json={})
    assert (answer.status_code, answer.headers["connection"]) == (401, "close")


async def test_a_process_that_drains_is_not_ready(
    web: str, app: BridgeApp, http: httpx2.AsyncClient
) -> None:
    app.drain()
    answer = await http.get(f"{web}/readyz")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")

"""A client that stops reading is left in time, costs little until then, and loses nothing."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import httpx2
import pytest

from bridge.app import BridgeApp
from bridge.net import connection
from tests.conformance.endpoint import NAME as FIXTURES
from tests.doors.by_hand import (
    ALICE,
    VERSION_2025,
    Message,
    Modern,
    Session,
    answer_on,
    authorization,
    call,
    events,
    messages,
)
from tests.doors.telling import FLOOD_PAGES, PAGE_BYTES
from tests.unread import first_data, first_id, unread
from tests.waiting import wait_until

FLOOD = call("flood", 7)
HELD_BYTES = 65_536
"""What uvicorn holds back for a client before it says so."""


@pytest.fixture(autouse=True)
def soon_stalled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a client for stalled after a moment."""
    monkeypatch.setattr(connection, "STALLED_AFTER_S", 0.3)


@contextlib.asynccontextmanager
async def cut_in_the_end(app: BridgeApp, caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """See that the stream which the block opens is cut for its reader's sake, and what it held."""
    caplog.set_level(logging.WARNING, "bridge.net.serve")
    yield
    await wait_until(lambda: caplog.records, "the client is left")
    await wait_until(lambda: len(app.mcp.streams) == 0, "its stream has ended")
    (record,) = caplog.records
    assert record.message == "http.stalled"
    assert vars(record)["unread_bytes"] < HELD_BYTES + 2 * PAGE_BYTES


def numbers(told: list[Message]) -> list[int]:
    """Read off the pages of the flood their numbers."""
    return [int(each["params"]["data"].rstrip(".")) for each in told if "method" in each]


async def test_a_stalled_standing_stream_is_cut_and_the_next_one_gets_it_all(
    web: str, app: BridgeApp, http: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    path = f"/sse/{FIXTURES}/clients/laptop"
    async with cut_in_the_end(app, caplog):
        with unread(web, "GET", path, authorization(ALICE)) as client:
            address = await asyncio.to_thread(first_data, client)
            answer = await http.post(web + address, json=FLOOD, headers=authorization(ALICE))
            assert answer.status_code == 202
            await wait_until(lambda: caplog.records, "the client is left")
    headers = authorization(ALICE) | {"mcp-protocol-version": VERSION_2025}
    async with http.stream("GET", web + path, headers=headers) as again:
        stream = events(again)
        assert (await anext(stream)).data == address
        told = [await answer_on(stream) for _ in range(FLOOD_PAGES + 1)]
    assert numbers(told) == list(range(FLOOD_PAGES))
    assert told[-1]["id"] == 7


async def test_a_stalled_answer_of_the_2025_wire_is_cut_and_can_be_resumed(
    web: str,
    app: BridgeApp,
    fixtures: Session,
    http: httpx2.AsyncClient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with cut_in_the_end(app, caplog):
        with unread(web, "POST", f"/mcp/{FIXTURES}", fixtures.headers, FLOOD) as client:
            stream = await asyncio.to_thread(first_id, client)
            await wait_until(lambda: caplog.records, "the client is left")
    async with fixtures.listen(stream) as resumed:
        told = [event.message async for event in messages(resumed)]
    assert numbers(told) == list(range(FLOOD_PAGES))
    assert told[-1]["id"] == 7


async def test_a_stalled_answer_of_the_2026_wire_is_cut_and_its_tool_waits_no_more(
    web: str, app: BridgeApp, http: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    wire = Modern(http, f"{web}/mcp/{FIXTURES}")
    message = wire.enveloped(FLOOD)
    async with cut_in_the_end(app, caplog):
        with unread(web, "POST", f"/mcp/{FIXTURES}", wire.headers(FLOOD), message):
            await wait_until(lambda: caplog.records, "the client is left")

"""SIGTERM ends a process in time, and nothing that it had begun is lost."""

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from bridge.mcp.wires.stream_reader import COME_BACK_MS
from tests.bridge_processes import Bridge, Child, running_bridge
from tests.journeys import INTERRUPTED, end_of, start_call
from tests.unread import first_data, unread
from tests.waiting import wait_until

DRAIN_S = 3
OVERTIME_S = 5.0
"""What a process may need to end once its time to drain is over."""

GIVE_UP_S = 18.0
"""The same for a worker that cannot put down what it held."""

SHORT_S, LONG_S = 1.0, 60.0
LONG_DRAIN_S = 20
PAGE_CHARS, PAGES = 400_000, 30
ROOM = 5
CALLS = 15


async def time_to_drain(child: Child) -> float:
    """Send SIGTERM, see that the process ends well, and tell how long that took."""
    now = asyncio.get_running_loop().time
    began_at = now()
    child.send_signal(signal.SIGTERM)
    assert await child.ended() == 0
    return now() - began_at


@contextlib.asynccontextmanager
async def opened(bridge: Bridge, request: httpx2.Request) -> AsyncIterator[None]:
    """Hold a stream open that has begun."""
    response = await bridge.http.send(request, stream=True)
    try:
        assert response.status_code == 200
        await anext(response.aiter_bytes())
        yield
    finally:
        await response.aclose()


def streams(bridge: Bridge) -> list[httpx2.Request]:
    """Write one request for every kind of stream that does not end by itself."""
    headers = {"authorization": "Bearer the-token-of-claude"}
    url = bridge.webs[0].url
    return [
        httpx2.Request("GET", f"{url}/sse/proof", headers=headers),
        bridge.request("subscriptions/listen", notifications={"toolsListChanged": True}),
        bridge.request("tools/call", name="take_event", arguments={"wait_seconds": 300}),
        bridge.request("tools/call", name="inline", arguments={"label": "x", "seconds": LONG_S}),
    ]


async def test_a_web_process_with_open_streams_ends_in_time(tmp_path: Path) -> None:
    async with (
        running_bridge(tmp_path, BRIDGE_DRAIN_S=str(DRAIN_S)) as bridge,
        contextlib.AsyncExitStack() as stack,
    ):
        await asyncio.gather(
            *(stack.enter_async_context(opened(bridge, each)) for each in streams(bridge))
        )
        assert await time_to_drain(bridge.webs[0]) < DRAIN_S + OVERTIME_S


async def test_a_web_process_waits_for_no_reader_that_has_stalled(tmp_path: Path) -> None:
    async with running_bridge(
        tmp_path, BRIDGE_DRAIN_S=str(LONG_DRAIN_S), BRIDGE_RESULT_CHARS=str(PAGE_CHARS)
    ) as bridge:
        (web,) = bridge.webs
        headers = {"authorization": "Bearer the-token-of-claude"}
        event = (await bridge.send("." * PAGE_CHARS)).json()
        with unread(web.url, "GET", "/sse/proof", headers) as client:
            address = web.url + await asyncio.to_thread(first_data, client)
            for page in range(PAGES):
                arguments = {"event_id": event["event_id"]}
                params = {"name": "read_event", "arguments": arguments}
                asked = {"jsonrpc": "2.0", "id": page, "method": "tools/call", "params": params}
                assert (await bridge.http.post(address, json=asked, headers=headers)).is_success
            assert await time_to_drain(web) < LONG_DRAIN_S / 2


async def test_a_stream_that_drains_away_goes_on_at_another_process(tmp_path: Path) -> None:
    async with running_bridge(tmp_path, webs=2) as bridge:
        first, second = bridge.webs
        headers = {"authorization": "Bearer the-token-of-claude"}
        back = headers | {"mcp-protocol-version": "2025-11-25"}
        params = {"name": "inline", "arguments": {"label": "x", "seconds": SHORT_S * 3}}
        asked = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}
        async with bridge.http.stream("GET", f"{first.url}/sse/proof", headers=headers) as stream:
            lines = stream.aiter_lines()
            address = await line_after(lines, "data: ")
            assert int(await line_after(lines, "retry: ")) > COME_BACK_MS
            await bridge.http.post(first.url + address, json=asked, headers=headers)
            await wait_until(bridge.runs, "n8n has the call")
            first.send_signal(signal.SIGTERM)
            assert await line_after(lines, "retry: ") == str(COME_BACK_MS)
        async with bridge.http.stream("GET", f"{second.url}/sse/proof", headers=back) as stream:
            lines = stream.aiter_lines()
            assert await line_after(lines, "data: ") == address
            answer = json.loads(await line_after(lines, "data: "))
        assert (answer["id"], answer["result"]["structuredContent"]["label"]) == (7, "x")
        assert len(bridge.runs()) == 1


async def line_after(lines: AsyncIterator[str], name: str) -> str:
    """Read up to the next line that begins so; returns the rest of it."""
    async for line in lines:
        if line.startswith(name):
            return line.removeprefix(name)
    raise AssertionError(f"no line begins with {name}")


async def test_a_client_that_could_not_resume_is_answered_before_the_end(tmp_path: Path) -> None:
    async with (
        running_bridge(tmp_path, BRIDGE_DRAIN_S=str(DRAIN_S)) as bridge,
        asyncio.TaskGroup() as group,
    ):
        long = {"label": "long", "seconds": LONG_S}
        asked = [("inline", long), ("take_event", {"wait_seconds": 300})]
        call, event = (
            group.create_task(bridge.http.send(bridge.request("tools/call", name=n, arguments=a)))
            for n, a in asked
        )
        await wait_until(lambda: bridge.runs("long"), "n8n has the call")
        assert await time_to_drain(bridge.webs[0]) < DRAIN_S + OVERTIME_S
        assert '"structuredContent":{"event_id":null}' in (await event).text
        assert '"status":"running"' in (await call).text


async def test_a_worker_ends_what_is_short_and_leaves_what_waits_to_others(tmp_path: Path) -> None:
    async with (
        running_bridge(tmp_path, workers=0, BRIDGE_DRAIN_S=str(DRAIN_S)) as bridge,
        bridge.claude() as client,
    ):
        worker = await bridge.add_worker(concurrency=ROOM)
        calls = [await start_call(client, "once", f"{n}", SHORT_S) for n in range(CALLS)]
        await wait_until(lambda: len(bridge.runs()) >= ROOM, "n8n has as many as there is room for")
        await time_to_drain(worker)
        assert len(bridge.runs()) < CALLS
        await bridge.add_worker()
        ended = await asyncio.gather(*(end_of(client, call_id) for call_id in calls))
        assert {call["status"] for call in ended} == {"succeeded"}
        assert len(bridge.runs()) == CALLS


async def test_a_worker_that_drains_gives_up_what_is_too_long_in_time(tmp_path: Path) -> None:
    async with (
        running_bridge(tmp_path, BRIDGE_DRAIN_S=str(DRAIN_S)) as bridge,
        bridge.claude() as client,
    ):
        once = await start_call(client, "once", "once", LONG_S)
        await start_call(client, "repeatable", "repeatable", LONG_S)
        await wait_until(lambda: len(bridge.runs()) == 2, "n8n has both calls")
        assert await time_to_drain(bridge.workers[0]) < DRAIN_S + OVERTIME_S
        assert (await end_of(client, once))["failure"] == INTERRUPTED
        await bridge.add_worker()
        await wait_until(lambda: len(bridge.runs("repeatable")) == 2, "n8n has it again")


async def test_a_worker_that_drains_hands_over_at_once_what_others_can_go_on_with(
    tmp_path: Path,
) -> None:
    async with (
        running_bridge(tmp_path, workers=0, BRIDGE_DRAIN_S=str(LONG_DRAIN_S)) as bridge,
        bridge.claude() as client,
    ):
        worker = await bridge.add_worker(concurrency=3)
        called_back = await start_call(client, "called_back", "called back", SHORT_S)
        followed = [
            await start_call(client, "followed", f"{n}", LONG_DRAIN_S / 2) for n in range(3)
        ]
        await wait_until(lambda: len(bridge.runs()) == 4, "n8n has as many as there is room for")
        unsent = await start_call(client, "once", "unsent", SHORT_S)
        assert await time_to_drain(worker) < LONG_DRAIN_S / 4
        await bridge.add_worker()
        ids = [called_back, *followed, unsent]
        ended = await asyncio.gather(*(end_of(client, call_id) for call_id in ids))
        assert [call["status"] for call in ended] == ["succeeded"] * len(ids)
        assert len(bridge.runs()) == len(ids)


@pytest.mark.slow
async def test_processes_end_in_time_while_the_store_is_away(tmp_path: Path) -> None:
    async with (
        running_bridge(tmp_path, BRIDGE_DRAIN_S="1") as bridge,
        bridge.claude() as client,
    ):
        await start_call(client, "once", "once", LONG_S)
        await wait_until(lambda: len(bridge.runs()) == 1, "n8n has the call")
        await bridge.kill_store()
        times = await asyncio.gather(*map(time_to_drain, [*bridge.webs, *bridge.workers]))
        assert max(times) < GIVE_UP_S

"""What a client was handed over, by the way in which it leaves, on every wire over HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from bridge.errors import StoreUnavailableError
from bridge.mcp import http_acks
from bridge.mcp.wires import stdio_acks, stream_reader
from bridge.store.calls import CallStore
from tests.doors.by_hand import ALICE, authorization, call, open_session, request
from tests.doors.leaving import WIRES, ask, connecting, open_stream
from tests.doors.workshop import HOOK, HOOK_TOKEN, NAME, Workshop, open_workshop
from tests.waiting import wait_until

LONG = "x" * 15_000
"""More than a client that does not read has room for, and less than a page."""

ALICES = authorization(ALICE)
PROXIED = {"via": "1.1 somewhere"}
IN_GOOD_ORDER, RESET, UNREAD = "in good order", "reset", "unread"


@pytest.fixture
async def workshop(redis_url: str) -> AsyncIterator[Workshop]:
    async with open_workshop(redis_url) as opened:
        yield opened


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


async def send(workshop: Workshop) -> str:
    """Have an event come; returns its id."""
    address = f"{workshop.origin}/hooks/{NAME}/{HOOK}"
    sent = await workshop.http.post(address, json=LONG, headers=authorization(HOOK_TOKEN))
    event_id: str = sent.json()["event_id"]
    return event_id


async def take(workshop: Workshop, redis: Redis, wire: str, leave: str, **headers: str) -> None:
    """Have a client take the one event and leave."""
    async with connecting(workshop.origin, reads_little=leave == UNREAD) as client:
        message = call("take_event", 7, wait_seconds=9)
        await ask(client, workshop.http, f"{workshop.origin}/mcp/{NAME}", wire, message, **headers)
        if leave == UNREAD:
            await wait_until(lambda: is_leased(redis), "it was taken")
        else:
            assert (await client.result())["structuredContent"]["attempt"] == 1
        client.leave(leave)


async def is_leased(redis: Redis) -> bool:
    """Report whether the one event is leased."""
    (key,) = [key async for key in redis.scan_iter("{bridge}:event:*")]
    return await redis.hmget(key, "status", "attempt") == ["leased", "1"]


async def is_back(redis: Redis) -> bool:
    """Report whether the one event is queued as if nobody had ever taken it."""
    (key,) = [key async for key in redis.scan_iter("{bridge}:event:*")]
    return await redis.hmget(key, "status", "attempt") == ["queued", "0"]


async def is_handed_over(redis: Redis) -> bool:
    """Report whether the one event is leased, and no process answers for it any more."""
    held = [key async for key in redis.scan_iter("{bridge}:held:web*")]
    return await is_leased(redis) and not held


LOSING = pytest.mark.parametrize(
    ("headers", "losing"),
    [({}, (RESET, UNREAD)), (PROXIED, (UNREAD,))],
    ids=["direct", "proxied"],
)
"""How an answer is lost; a proxy resets its own connections when it likes."""


@LOSING
@pytest.mark.parametrize("wire", WIRES)
async def test_a_lease_goes_back_only_if_its_answer_was_not_taken_whole(
    workshop: Workshop, redis: Redis, wire: str, headers: dict[str, str], losing: tuple[str, ...]
) -> None:
    await send(workshop)
    for leave in losing:
        await take(workshop, redis, wire, leave, **headers)
        await wait_until(lambda: is_back(redis), f"it is back after {leave}")
    await take(workshop, redis, wire, IN_GOOD_ORDER, **headers)
    await wait_until(lambda: is_handed_over(redis), "it is the client's")


@pytest.mark.parametrize("wire", ["2026", "2025"])
async def test_a_lease_stays_where_a_proxy_resets_a_connection_that_has_carried_its_answer(
    workshop: Workshop, redis: Redis, wire: str
) -> None:
    await send(workshop)
    await take(workshop, redis, wire, RESET, **PROXIED)
    await wait_until(lambda: is_handed_over(redis), "it is its taker's")


async def make(
    workshop: Workshop, wire: str, leave: str, label: str = "any", **headers: str
) -> dict[str, Any]:
    """Have a client make a call, and leave once it has its answer; returns the answer."""
    async with connecting(workshop.origin) as client:
        url, message = f"{workshop.origin}/mcp/{NAME}", call("saw", 7, seconds=0, label=label)
        await ask(client, workshop.http, url, wire, message, **headers)
        result = await client.result()
        client.leave(leave)
    return result


async def is_received(redis: Redis, label: str = "any") -> bool:
    """Report whether the result of every call of a label is known to have been received."""
    keys = [key async for key in redis.scan_iter("{bridge}:call:*")]
    records = [await redis.hgetall(key) for key in keys]
    return all("handed_over" in it for it in records if f'"{label}"' in it["arguments"])


@pytest.mark.parametrize("wire", WIRES)
async def test_a_call_that_is_meant_twice_runs_twice_for_clients_that_take_and_leave(
    workshop: Workshop, redis: Redis, wire: str
) -> None:
    for runs in (1, 2):
        await make(workshop, wire, IN_GOOD_ORDER)
        await wait_until(lambda: is_received(redis), "the result was received")
        assert len(workshop.n8n.seen.of()) == runs


@pytest.mark.parametrize("wire", WIRES)
async def test_a_result_is_received_once_its_stream_was_open_five_seconds_later(
    workshop: Workshop, redis: Redis, monkeypatch: pytest.MonkeyPatch, wire: str
) -> None:
    """Before that the same call again joins it. For the rest the five seconds are made short."""
    url = f"{workshop.origin}/mcp/{NAME}"
    async with connecting(workshop.origin) as client:
        await ask(client, workshop.http, url, wire, call("saw", 7, seconds=0, label="early"))
        told = (await client.result())["structuredContent"]
        again = (await make(workshop, wire, RESET, label="early"))["structuredContent"]
        assert again["result"] == told
        client.leave(RESET)

    assert (http_acks.SURE_AFTER_S, stdio_acks.SURE_AFTER_S) == (5.0, 5.0)
    monkeypatch.setattr(http_acks, "SURE_AFTER_S", 0.1)
    monkeypatch.setattr(stream_reader, "SURE_AFTER_S", 0.1)
    async with connecting(workshop.origin) as client:
        await ask(client, workshop.http, url, wire, call("saw", 7, seconds=0, label="late"))
        await client.result()
        await wait_until(lambda: is_received(redis, "late"), "it was received, its stream open")
        anew = (await make(workshop, wire, RESET, label="late"))["structuredContent"]
        assert "attached_to" not in anew
    assert len(workshop.n8n.seen.of()) == 3


@pytest.mark.parametrize(("leave", "headers"), [(RESET, {}), (IN_GOOD_ORDER, PROXIED)])
@pytest.mark.parametrize("wire", WIRES)
async def test_a_result_that_may_not_have_come_is_given_to_the_same_call_again_which_is_told(
    workshop: Workshop, redis: Redis, wire: str, leave: str, headers: dict[str, str]
) -> None:
    first = (await make(workshop, wire, leave, **headers))["structuredContent"]
    told = await make(workshop, wire, IN_GOOD_ORDER, **headers)
    again = told["structuredContent"]
    assert len(workshop.n8n.seen.of()) == 1
    assert again["result"] == first
    assert "not run again" in again["next"]
    assert again["attached_to"] in told["content"][0]["text"]

    await wait_until(lambda: is_received(redis), "the earlier result was received")
    third = (await make(workshop, wire, leave, **headers))["structuredContent"]
    assert len(workshop.n8n.seen.of()) == 2
    assert third["label"] == first["label"]


async def test_a_result_that_cannot_be_read_just_now_is_not_told_as_one_that_was_dropped(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = (await make(workshop, WIRES[0], RESET))["structuredContent"]
    read, losses = CallStore.read, iter([StoreUnavailableError("away", retry_after_s=1)])

    async def read_at_last(store: CallStore, *arguments: Any, **options: Any) -> Any:
        for loss in losses:
            raise loss
        return await read(store, *arguments, **options)

    monkeypatch.setattr(CallStore, "read", read_at_last)
    again = (await make(workshop, WIRES[0], RESET))["structuredContent"]
    assert again["result"] == first
    assert len(workshop.n8n.seen.of()) == 1


@pytest.mark.parametrize("wire", WIRES)
async def test_a_proxy_that_tells_of_clients_that_leave_speaks_for_those_that_have_not(
    redis_url: str, redis: Redis, wire: str
) -> None:
    async with open_workshop(redis_url, proxy_tells_of_leaving=True) as workshop:
        await make(workshop, wire, IN_GOOD_ORDER, **PROXIED)
        if wire == "sse":  # it has closed before the stream was over: perhaps its client was gone
            again = await make(workshop, wire, IN_GOOD_ORDER, **PROXIED)
            assert "attached_to" in again["structuredContent"]
        else:
            await wait_until(lambda: is_received(redis), "the result was received")


async def test_a_session_that_its_client_ends_has_what_it_was_given(
    workshop: Workshop, redis: Redis
) -> None:
    await send(workshop)
    session = await open_session(workshop.http, f"{workshop.origin}/mcp-2025/{NAME}")
    await session.post(call("take_event", 7))
    await session.end()
    assert await is_handed_over(redis)


@pytest.mark.parametrize("wire", ["2025", "sse"])
async def test_a_later_request_of_a_session_proves_no_answer_that_was_not_acknowledged(
    workshop: Workshop, redis: Redis, wire: str
) -> None:
    await send(workshop)
    url, taking = f"{workshop.origin}/mcp-2025/{NAME}", call("take_event", 7)
    build = workshop.http.build_request
    async with connecting(workshop.origin, reads_little=True) as client:
        if wire == "sse":
            headers = ALICES
            url = await open_stream(client, workshop.http, f"{workshop.origin}/sse/{NAME}")
            await workshop.http.post(url, json=taking, headers=headers)
        else:
            headers = (await open_session(workshop.http, url)).headers
            await client.send(build("POST", url, json=taking, headers=headers))
        await wait_until(lambda: is_leased(redis), "it was taken")
        await workshop.http.post(url, json=request("ping", 8), headers=headers)
        client.leave(RESET)
    await wait_until(lambda: is_back(redis), "it is back")


@pytest.mark.parametrize("wire", ["2026", "2025"])
@pytest.mark.parametrize("leave", [IN_GOOD_ORDER, RESET])
async def test_a_connection_that_the_bridge_ends_is_one_that_its_client_ends_too(
    workshop: Workshop, redis: Redis, wire: str, leave: str
) -> None:
    await send(workshop)
    await take(workshop, redis, wire, leave, connection="close")
    is_right = is_handed_over if leave == IN_GOOD_ORDER else is_back
    await wait_until(lambda: is_right(redis), "its fate is known")


async def test_a_result_whose_request_was_not_surely_accepted_is_given_to_the_same_call_again(
    workshop: Workshop, redis: Redis
) -> None:
    """HTTP+SSE answers a request apart, so its client may give it up and its answer still come."""
    url, message = f"{workshop.origin}/sse/{NAME}", call("saw", 7, seconds=0, label="any")
    async with connecting(workshop.origin) as stream, connecting(workshop.origin) as lost:
        address = await open_stream(stream, workshop.http, url)
        await lost.send(workshop.http.build_request("POST", address, json=message, headers=ALICES))
        first = (await stream.result())["structuredContent"]
        lost.leave(RESET)
        stream.heard = b""
        posted = await workshop.http.post(address, json=message, headers=ALICES)
        assert posted.status_code == 202
        again = (await stream.result())["structuredContent"]
        assert again["result"] == first
        assert len(workshop.n8n.seen.of()) == 1

        stream.heard = b""
        await workshop.http.post(address, json=message, headers=ALICES)
        assert (await stream.result())["structuredContent"]["label"] == first["label"]
        assert len(workshop.n8n.seen.of()) == 2

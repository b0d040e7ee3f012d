"""Events and calls behind real proxies, for clients that leave before their answer or with it."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis

from bridge.mcp import http_acks
from tests.doors.by_hand import authorization, call
from tests.doors.leaving import WIRES, ask, connecting
from tests.doors.workshop import HOOK, HOOK_TOKEN, NAME, Workshop, open_workshop
from tests.proxies.programs import PROGRAMS, Program
from tests.waiting import wait_until

TELLING = ("nginx", "Caddy", "Traefik")
HERE = [program for program in PROGRAMS if program.path]
PATIENCE_S = 20.0


@pytest.fixture(params=HERE, ids=lambda program: program.name)
async def proxied(
    redis_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[Workshop, str]]:
    """Return a workshop, and the address of a proxy in front of its two web processes."""
    program: Program = request.param
    tells = program.name in TELLING
    async with open_workshop(redis_url, proxy_tells_of_leaving=tells) as workshop:
        webs = [urlsplit(each).port or 0 for each in (workshop.origin, workshop.other_origin)]
        async with program.running(tmp_path / "proxy", webs) as origin:
            yield workshop, origin


async def test_an_event_is_its_takers_who_leaves_and_not_its_waiters_who_has_left(
    redis_url: str, proxied: tuple[Workshop, str]
) -> None:
    workshop, origin = proxied
    url = f"{origin}/mcp/{NAME}"
    async with Redis.from_url(redis_url, decode_responses=True) as redis:
        for wire in WIRES:
            async with connecting(origin) as gone:
                await ask(gone, workshop.http, url, wire, call("take_event", 7, wait_seconds=60))
                await wait_until(lambda: has_waiter(redis), f"a taker waits on {wire}")
                gone.leave("in good order")
            event_id = await send(workshop)
            back = partial(is_so, redis, event_id, "queued", 0)
            await wait_until(back, "it is back", PATIENCE_S)

            async with connecting(origin) as client:
                await ask(client, workshop.http, url, wire, call("take_event", 7, wait_seconds=9))
                assert (await client.result())["structuredContent"]["event_id"] == event_id
                client.leave("in good order")
            await wait_until(lambda: is_unheld(redis), "no process answers for it", PATIENCE_S)
            assert await is_so(redis, event_id, "leased", 1)


async def test_a_call_that_is_meant_twice_runs_twice_where_the_proxy_tells(
    redis_url: str,
    proxied: tuple[Workshop, str],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_acks, "SURE_AFTER_S", 0.2)
    workshop, origin = proxied
    tells = request.node.callspec.params["proxied"].name in TELLING
    told = []
    for wire in ("2026", "2025", "2026"):
        async with connecting(origin) as client:
            message = call("saw", 7, seconds=0, label="oak")
            await ask(client, workshop.http, f"{origin}/mcp/{NAME}", wire, message)
            told.append((await client.result())["structuredContent"])
            client.leave("in good order")
        if tells or "attached_to" in told[-1]:
            async with Redis.from_url(redis_url, decode_responses=True) as redis:
                await wait_until(partial(is_received, redis), "it was received")
    is_joined = ["attached_to" in each for each in told]
    assert is_joined == ([False] * 3 if tells else [False, True, False])


async def send(workshop: Workshop) -> str:
    """Have an event come; returns its id."""
    address = f"{workshop.origin}/hooks/{NAME}/{HOOK}"
    sent = await workshop.http.post(address, json="x", headers=authorization(HOOK_TOKEN))
    event_id: str = sent.json()["event_id"]
    return event_id


async def has_waiter(redis: Redis) -> bool:
    """Report whether anybody waits for an event."""
    return bool([key async for key in redis.scan_iter("{bridge}:takers:*")])


async def is_so(redis: Redis, event_id: str, status: str, attempt: int) -> bool:
    """Report whether an event stands so, and is nobody's on the way."""
    found = await redis.hmget(f"{{bridge}}:event:{event_id}", "status", "attempt")
    return found == [status, str(attempt)] and (status == "leased" or await is_unheld(redis))


async def is_unheld(redis: Redis) -> bool:
    """Report whether no web process answers for anything."""
    return not [key async for key in redis.scan_iter("{bridge}:held:web*")]


async def is_received(redis: Redis) -> bool:
    """Report whether the result of every call is known to have been received."""
    keys = [key async for key in redis.scan_iter("{bridge}:call:*")]
    return all([await redis.hexists(key, "handed_over") for key in keys])

"""So many records that pages which read too much would show it, and how long each page takes."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from statistics import median, quantiles

import httpx2

from bridge.models import LeaseRef, Principal, new_lease_token
from bridge.runtime import Runtime
from bridge.store.claims import ClaimRequest
from bridge.verbs.record_search import RecordSearch, SearchBudget
from tests.bench.filling import new_event
from tests.store.call_records import new_call

AT_ONCE = 256
PRINCIPALS = 1000
ANSWERED_SHARE = 0.1
TIMES = 20
"""How often each page is opened to time it."""
TEXT_OF_NONE = "nothing-of-the-kind"

PAGES = {
    "now": "",
    "events": "/events",
    "events-dead": "/events?status=dead",
    "events-of-hook": "/events?server=desk&hook=letters&status=answered",
    "events-hour": "/events?since=1h",
    "calls": "/calls",
    "calls-of-workflow": "/calls?server=desk&workflow=stamp",
    "calls-of-principal": "/calls?principal=reader-7",
    "replies": "/replies",
    "subscriptions": "/subscriptions",
    "processes": "/processes",
    "servers": "/servers",
    "tokens": "/tokens",
}
SEARCHES = {
    "events-searched": f"/events?q={TEXT_OF_NONE}",
    "calls-searched": f"/calls?q={TEXT_OF_NONE}",
    "found-nowhere": f"/find?id={TEXT_OF_NONE}",
}
"""What looks through everything: it answers in pieces, and offers to go on."""


async def crowd(runtime: Runtime, count: int, principals: int = PRINCIPALS) -> None:
    """Put so many events, some of them answered, and as many calls of principals on record."""
    await _repeated(lambda _: _accept(runtime), count)
    await _repeated(lambda _: _answer(runtime), round(count * ANSWERED_SHARE))
    await _repeated(lambda number: _call(runtime, number % principals), count)
    while await runtime.stores.operators.gather_calls():
        pass


async def pages_of_one(runtime: Runtime) -> dict[str, str]:
    """Return the pages of an event, of a reply and of a call, each in the middle of the others."""
    find, budget = runtime.web.records, SearchBudget(60)
    replies = (await find.replies(RecordSearch(), 1000, budget)).rows
    calls = (await find.calls(RecordSearch(), 1000, budget)).rows
    return {
        "event": f"/events/{replies[-1].event_id}",
        "reply": f"/replies/{replies[-1].event_id}",
        "call": f"/calls/{calls[-1].call_id}",
    }


async def _repeated(step: Callable[[int], Awaitable[object]], count: int) -> None:
    for begin in range(0, count, AT_ONCE):
        await asyncio.gather(*(step(begin + each) for each in range(min(AT_ONCE, count - begin))))


async def _accept(runtime: Runtime) -> None:
    event = new_event(b'{"from": "ann@example.com", "subject": "Which plan fits a team of five?"}')
    url = "http://127.0.0.1:5678/webhook-waiting/7" if event.event_id < "evt_a" else ""
    await runtime.stores.events.accept(replace(event, server="desk", hook="letters", reply_url=url))


async def _answer(runtime: Runtime) -> None:
    token, reader = new_lease_token(), Principal("desk", "alice")
    wish = ClaimRequest("desk", [("letters", 0)], ["letters"], token)
    found = await runtime.stores.claims.take(wish, reader, token)
    if found:
        await runtime.stores.events.answer(LeaseRef(found[0].event_id, token, reader), b'"thanks"')


async def _call(runtime: Runtime, number: int) -> None:
    reader = Principal("desk", f"reader-{number}")
    await runtime.stores.calls.create(new_call(reader, workflow="stamp", ttl_s=86400))


async def timed(http: httpx2.AsyncClient, pages: Mapping[str, str], looks: int) -> list[str]:
    """Return a line for each page with the times that it took, one after the other."""
    lines = []
    for name, path in pages.items():
        taken_ms = [await _taken_ms(http, path) for _ in range(looks)]
        p95 = quantiles(taken_ms, n=20)[-1] if looks > 1 else taken_ms[0]
        lines.append(f"{name:<20} p50 {median(taken_ms):6.0f} ms   p95 {p95:6.0f} ms")
    return lines


async def _taken_ms(http: httpx2.AsyncClient, path: str) -> float:
    began = time.perf_counter()
    answer = await http.get(f"/console{path}")
    assert answer.status_code == 200, answer.text
    return (time.perf_counter() - began) * 1000

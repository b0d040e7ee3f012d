"""A bridge with records of each kind, to look at."""

import contextlib
import math
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from redis.asyncio import Redis

from bridge.app import BridgeApp
from bridge.configuration.settings import Settings
from bridge.local.valkey import EmbeddedValkey
from bridge.runtime import Runtime
from bridge.store.keys import PREFIX
from bridge.verbs.bulk_records import ActKind
from bridge.verbs.record_search import RecordKind, RecordSearch
from tests.apps import RunningApp
from tests.doors.conftest import DESK
from tests.doors.console.operating import OPERATOR, TOKENS, Desktop
from tests.doors.console.test_subscriptions import fail, subscribe
from tests.serving import serving

N8N = "http://127.0.0.1:5678"
EMPTY = {
    f"empty-{name or 'now'}": f"/{name}" if name else ""
    for name in ("", "events", "calls", "replies", "subscriptions", "tokens")
}
LETTERS = (
    {"from": "ann@example.com", "subject": "Which plan fits a team of five?"},
    {"from": "bob@example.com", "subject": "Where is my invoice?", "order": 4711, "urgent": True},
    {"from": "cleo@example.com", "subject": "The import stops at row 300", "rows": [300, 301]},
)


@dataclass(frozen=True)
class Seeded:
    """A bridge on a port, a login at its console, and pages by their names."""

    console: str
    cookie: tuple[str, str]
    pages: dict[str, str]
    runtime: Runtime
    http: httpx2.AsyncClient


@contextlib.asynccontextmanager
async def seeded(data: Path, *, is_empty: bool = False) -> AsyncIterator[Seeded]:
    """Run a bridge with some records, or none, while the block lasts."""
    async with EmbeddedValkey(data) as valkey, Redis.from_url(valkey.url) as redis:
        app = BridgeApp(Settings(redis_url=valkey.url, n8n_url=N8N, **TOKENS), {DESK.name: DESK})
        async with (
            serving(app) as address,
            httpx2.AsyncClient(base_url=address, timeout=60) as http,
        ):
            desk = Desktop(RunningApp(app, http))
            pages = {} if is_empty else await _fill(desk)
            if pages:
                await _keep_minutes(redis, await app.runtime.stores.minutes.now())
            entered = await desk.log_in(OPERATOR)
            name, _, value = entered.headers["set-cookie"].partition(";")[0].partition("=")
            yield Seeded(f"{address}/console", (name, value), pages, app.runtime, http)


async def _fill(desk: Desktop) -> dict[str, str]:
    """Send events, have some taken and called for; return the pages that show them."""
    for number in range(60):
        headers = {
            "idempotency-key": f"n8n_aBc9_{4000 + number}_0",
            "bridge-reply-url": f"{N8N}/webhook-waiting/{4000 + number}/reply?signature=hidden",
        }
        await desk.send(LETTERS[number % len(LETTERS)], **headers)
    long = await desk.send({"rows": [{"id": number, "text": "x" * 80} for number in range(2000)]})
    for name in ("alerts", "crm", "desk"):
        await subscribe(desk, name)
    await fail(desk, "crm", 60)
    await fail(desk, "desk")
    dead = await desk.set_aside()
    held = await desk.take()
    call = await desk.call(arguments=b'{"letter": "Dear Ann, the Team plan fits."}')
    reply = await desk.dead_reply()
    dead_ones = RecordSearch(statuses=("dead",))
    bulks = desk.door.runtime.web.bulks
    bulk = await bulks.count(RecordKind.EVENTS, ActKind.REDRIVE, dead_ones, "operator")
    return {
        "now": "",
        "now-day": "?window=day",
        "events": "/events",
        "events-dead": "/events?status=dead",
        "events-none": "/events?q=nothing-of-the-kind",
        "events-fault": "/events?server=none",
        "event-dead": f"/events/{dead}",
        "event-held": f"/events/{held.event_id}",
        "calls": "/calls",
        "call": f"/calls/{call}",
        "subscriptions": "/subscriptions",
        "value": f"/events/{long}/values/payload?at=/rows&after=600",
        "found": "/find?id=4010",
        "processes": "/processes",
        "replies": "/replies",
        "reply": f"/replies/{reply}",
        "bulks": "/bulk?status=dead&of=events",
        "bulk": f"/bulk/{bulk.bulk_id}",
        "event-fault": "/events/evt_none",
        "servers": "/servers",
        "hook": "/servers/desk/hooks/letters",
        "workflow": "/servers/desk/workflows/stamp",
        "tokens": "/tokens",
    }


async def _keep_minutes(redis: Redis, now: int) -> None:
    """Write a day of minutes as the sweeper would have."""
    chance = random.Random(7)
    for minute in range(now - 1440, now):
        count = int(30 + 20 * math.sin(minute / 40) + chance.random() * 8)
        rises: dict[Any, Any] = {
            f"queue|desk|letters|{class_}": chance.randint(1, count) for class_ in (8, 9, 11)
        }
        rises |= {
            "events|desk|letters|queued": count,
            "lease|desk|letters|13": count - 2,
            "ended|desk|stamp|succeeded|1|11": count // 2 + 1,
            "backlog|desk|letters": chance.randint(1, 12),
        }
        if chance.random() < 0.1:
            rises |= {"events|desk|letters|dead": 1, "ended|desk|stamp|failed|2|14": 2}
        await redis.hset(f"{PREFIX}minute:{minute}", mapping=rises)

"""GET /events/{event_id}: where an event stands, for whoever may send on its hook."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from bridge.configuration.servers import Server
from bridge.models import EventId, LeaseRef, Principal
from tests.apps import RunningApp, running_app, there
from tests.store.records import HOSTILE

AUTH = {"Authorization": "Bearer hook-token"}
CLAUDE = Principal("support", "local")
SUPPORT = Server.model_validate(
    {
        "name": "support",
        "hooks": {
            "ticket": {"auth": {"bearer": "hook-token"}},
            "other": {"auth": {"bearer": "other-token"}},
        },
    }
)
SALES = Server.model_validate(
    {"name": "sales", "hooks": {"ticket": {"auth": {"bearer": "sales-token"}}}}
)


@pytest.fixture
async def door(redis_url: str) -> AsyncIterator[RunningApp]:
    async with running_app(redis_url, SUPPORT, SALES) as running:
        yield running


@pytest.fixture
async def event_id(door: RunningApp) -> EventId:
    response = await door.client.post("/hooks/support/ticket", json={"a": 1}, headers=AUTH)
    return EventId(response.json()["event_id"])


async def test_an_event_is_shown_as_it_stands(door: RunningApp, event_id: EventId) -> None:
    shown = (await door.client.get(f"/events/{event_id}", headers=AUTH)).json()

    assert shown == {
        "event_id": event_id,
        "hook": "ticket",
        "status": "queued",
        "attempt": 0,
        "received_at": shown["received_at"],
        "elapsed_ms": shown["elapsed_ms"],
        "reply": {"status": "none", "value": None, "attempts": 0, "last_failure": None},
    }
    age = datetime.now(UTC) - datetime.fromisoformat(shown["received_at"])
    assert timedelta(minutes=-1) < age < timedelta(minutes=1)


async def test_no_two_answers_are_the_same(door: RunningApp, event_id: EventId) -> None:
    """n8n's pagination stops when five answers in a row are identical."""
    key = f"{{bridge}}:event:{event_id}"
    received_at = int(await door.runtime.redis.hget(key, "received_at") or 0)
    seen = set()
    for ago_ms in range(0, 300_000, 60_000):
        await door.runtime.redis.hset(key, "received_at", str(received_at - ago_ms))
        shown = (await door.client.get(f"/events/{event_id}", headers=AUTH)).json()
        assert ago_ms <= shown["elapsed_ms"] < ago_ms + 60_000
        seen.add(shown["elapsed_ms"])

    assert len(seen) == 5


async def test_an_events_life_can_be_followed(door: RunningApp, event_id: EventId) -> None:
    events = door.runtime.mcp.events
    seen = []

    async def look() -> None:
        shown = (await door.client.get(f"/events/{event_id}", headers=AUTH)).json()
        seen.append((shown["status"], shown["attempt"], shown["reply"]["value"]))

    taken = await door.runtime.mcp.takers.take(SUPPORT, CLAUDE, None, 0, there)
    assert taken
    await look()
    held = LeaseRef(event_id, taken.token, CLAUDE)
    await events.release(held, reason="later", delay_s=600, dead=False)
    await look()
    await door.runtime.redis.zadd("{bridge}:event_leases", {event_id: 1})
    await door.runtime.stores.events.sweep()
    taken = await door.runtime.mcp.takers.take(SUPPORT, CLAUDE, None, 0, there)
    assert taken
    await events.reply(SUPPORT, LeaseRef(event_id, taken.token, CLAUDE), {"b": [None, "🦀"]})
    await look()

    assert seen == [
        ("leased", 1, None),
        ("queued", 1, None),
        ("answered", 2, {"b": [None, "🦀"]}),
    ]


@pytest.mark.parametrize(
    "authorization", ["Bearer wrong", "Bearer other-token", "Bearer sales-token", "Basic x"]
)
async def test_an_event_of_another_hook_looks_like_an_unknown_one(
    door: RunningApp, event_id: EventId, authorization: str
) -> None:
    headers = {"Authorization": authorization}

    hidden = await door.client.get(f"/events/{event_id}", headers=headers)
    unknown = await door.client.get("/events/evt_unknown", headers=headers)

    assert hidden.status_code == unknown.status_code == 404
    assert hidden.content == unknown.content
    assert hidden.headers["content-type"] == "application/problem+json"


async def test_without_a_credential_known_and_unknown_events_look_alike(
    door: RunningApp, event_id: EventId
) -> None:
    known = await door.client.get(f"/events/{event_id}")
    unknown = await door.client.get("/events/evt_unknown")

    assert known.status_code == unknown.status_code == 401
    assert known.content == unknown.content


@pytest.mark.parametrize(
    "event_id", [text for text in HOSTILE[1:] if len(text) < 100], ids=lambda text: ascii(text[:12])
)
async def test_a_hostile_id_is_unknown(door: RunningApp, event_id: str) -> None:
    escaped = "".join(f"%{byte:02x}" for byte in event_id.encode(errors="surrogatepass"))

    response = await door.client.get(f"/events/{escaped}", headers=AUTH)

    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


async def test_an_event_whose_hook_is_no_longer_configured_is_unknown(redis_url: str) -> None:
    async with running_app(redis_url, SUPPORT) as before:
        response = await before.client.post("/hooks/support/ticket", json={}, headers=AUTH)
    without = SUPPORT.model_copy(update={"hooks": {"other": SUPPORT.hooks["other"]}})
    async with running_app(redis_url, without) as after:
        shown = await after.client.get(f"/events/{response.json()['event_id']}", headers=AUTH)

    assert shown.status_code == 404

"""POST /events/{event_id}/redrive: for operators, and for nobody else."""

import pytest
from pydantic import SecretStr

from bridge.configuration.credentials import Token
from bridge.configuration.servers import Server
from bridge.models import EventId, LeaseRef, Principal
from tests.apps import RunningApp, running_app, there

HOOK = {"Authorization": "Bearer hook-token"}
OPERATOR = {"Authorization": "Bearer operator-token"}
TOKEN = {"operator_token": "operator-token"}
ELSEWHERE = "https://bridge.example.com"
CLAUDE = Principal("support", "local")
SUPPORT = Server.model_validate(
    {"name": "support", "hooks": {"ticket": {"auth": {"bearer": "hook-token"}}}}
)
GUARDED = SUPPORT.model_copy(update={"tokens": (Token(name="a", value=SecretStr("claude")),)})
"""The same as others may reach it."""


async def dead_event(door: RunningApp) -> EventId:
    await door.client.post("/hooks/support/ticket", json={}, headers=HOOK)
    taken = await door.runtime.mcp.takers.take(SUPPORT, CLAUDE, None, 0, there)
    assert taken
    held = LeaseRef(taken.event.event_id, taken.token, CLAUDE)
    await door.runtime.mcp.events.release(held, reason="", delay_s=0, dead=True)
    return held.event_id


async def test_a_dead_event_is_queued_again(redis_url: str) -> None:
    async with running_app(redis_url, SUPPORT, **TOKEN) as door:
        event_id = await dead_event(door)
        answer = await door.client.post(f"/events/{event_id}/redrive", headers=OPERATOR)
        again = await door.client.post(f"/events/{event_id}/redrive", headers=OPERATOR)

    assert answer.status_code == 200
    assert answer.json() == {"event_id": event_id, "status": "queued", "reply": {"status": "none"}}
    assert again.status_code == 409
    assert again.json()["detail"] == "nothing was set aside: the event is queued"


async def test_an_unknown_event_is_404(redis_url: str) -> None:
    async with running_app(redis_url, SUPPORT, **TOKEN) as door:
        answer = await door.client.post("/events/evt_none/redrive", headers=OPERATOR)
    assert answer.status_code == 404


@pytest.mark.parametrize("headers", [{}, HOOK, {"Authorization": "Bearer "}])
async def test_who_has_not_the_operators_token_redrives_nothing(
    headers: dict[str, str], redis_url: str
) -> None:
    async with running_app(redis_url, SUPPORT, **TOKEN) as door:
        event_id = await dead_event(door)
        answer = await door.client.post(f"/events/{event_id}/redrive", headers=headers)
        event = await door.runtime.stores.events.read(event_id)

    assert answer.status_code == 401
    assert event
    assert event.status == "dead"


async def test_without_a_token_only_this_machine_may_redrive(redis_url: str) -> None:
    for base_url, status in (("http://127.0.0.1:8080", 200), (ELSEWHERE, 404)):
        async with running_app(redis_url, GUARDED, base_url=base_url, public_url=ELSEWHERE) as door:
            event_id = await dead_event(door)
            answer = await door.client.post(f"/events/{event_id}/redrive")
            assert answer.status_code == status


async def test_a_proxy_on_this_machine_is_no_operator(redis_url: str) -> None:
    async with running_app(redis_url, SUPPORT) as door:
        event_id = await dead_event(door)
        passed_on = {"X-Forwarded-For": "203.0.113.9"}
        answer = await door.client.post(f"/events/{event_id}/redrive", headers=passed_on)
        assert answer.status_code == 404
        for path in ("/metrics", "/metrics/"):
            assert (await door.client.get(path, headers=passed_on)).status_code == 404
            assert (await door.client.get(path)).status_code == 200

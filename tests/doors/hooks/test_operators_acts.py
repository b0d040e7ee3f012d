"""What operators do to one event or one call over HTTP, and nobody else."""

import httpx2
import pytest

from tests.apps import running_app
from tests.doors.by_hand import N8N, authorization
from tests.doors.every_wire import asking, send
from tests.doors.hooks.test_redriving import GUARDED, HOOK, TOKEN
from tests.doors.tools.test_paused import use

ACTS = (
    *("events/evt_1/release", "events/evt_1/expire", "events/evt_1/run-again"),
    *("calls/call_1/cancel", "calls/call_1/run-again"),
)


async def test_an_event_is_released_run_again_and_expired(
    web: str, http: httpx2.AsyncClient
) -> None:
    event_id = await send(http, web, {"from": "a reader"})
    async with asking("2026", http, web) as ask:
        await use(ask, "take_event")
        released = await http.post(f"{web}/events/{event_id}/release")
        assert released.json() == {"event_id": event_id, "status": "queued"}
        assert (await http.post(f"{web}/events/{event_id}/release")).status_code == 409

        again = await http.post(f"{web}/events/{event_id}/run-again", json={"payload": "other"})
        assert (again.status_code, again.json()["again"]) == (202, event_id)
        expired = await http.post(f"{web}/events/{event_id}/expire")
        assert expired.json()["status"] == "expired"
        taken = await use(ask, "take_event")
        assert (taken["event_id"], taken["payload"]) == (again.json()["event_id"], "other")
    status = await http.get(f"{web}/events/{event_id}", headers=authorization(N8N))
    assert status.json()["status"] == "expired"


async def test_a_call_is_run_again_and_cancelled(web: str, http: httpx2.AsyncClient) -> None:
    async with asking("2026", http, web) as ask:
        handle = await use(ask, "stamp", letter="a")
        call_id = handle["call_id"]
        again = await http.post(f"{web}/calls/{call_id}/run-again")
        assert again.status_code == 202
        wrong = await http.post(f"{web}/calls/{call_id}/run-again", json={"arguments": {"no": 1}})
        assert wrong.status_code == 422
        cancelled = await http.post(f"{web}/calls/{again.json()['call_id']}/cancel")
        assert cancelled.json()["status"] == "cancelled"
        listed = (await use(ask, "list_calls"))["calls"]
        assert [each["status"] for each in listed] == ["queued", "cancelled"]


@pytest.mark.parametrize(("body", "status"), [(b"[", 400), (b"[]", 400), (b'{"x": 1}', 422)])
async def test_a_body_that_says_something_else_is_refused(
    web: str, http: httpx2.AsyncClient, body: bytes, status: int
) -> None:
    event_id = await send(http, web, {"from": "a reader"})
    answer = await http.post(f"{web}/events/{event_id}/run-again", content=body)
    assert answer.status_code == status


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("headers", [{}, HOOK])
async def test_nobody_but_an_operator_acts(
    redis_url: str, act: str, headers: dict[str, str]
) -> None:
    async with running_app(redis_url, GUARDED, **TOKEN) as door:
        assert (await door.client.post(f"/{act}", headers=headers)).status_code == 401

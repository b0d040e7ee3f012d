"""Bulk acts over HTTP: counted, confirmed with the count, followed, stopped; by operators alone."""

import json
from typing import Any

import httpx2
import pytest

from bridge.configuration.settings import Settings
from tests.apps import running_app
from tests.doors.every_wire import send
from tests.doors.hooks.test_redriving import GUARDED, HOOK, TOKEN
from tests.waiting import wait_until
from tests.working import working

EXPIRE = {"records": "events", "act": "expire", "filter": {"server": "desk", "status": "queued"}}


async def counted(http: httpx2.AsyncClient, web: str, **more: object) -> dict[str, Any]:
    answer = await http.post(f"{web}/bulk", json=EXPIRE | more)
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_what_was_counted_is_done_by_a_worker_once_it_is_confirmed(
    redis_url: str, web: str, http: httpx2.AsyncClient
) -> None:
    events = [await send(http, web, {"from": "a reader"}) for _ in range(3)]
    bulk = await counted(http, web)
    assert (bulk["status"], bulk["count"], bulk["sample"]) == ("counted", 3, events[::-1])
    later = await send(http, web, {"from": "a reader"})
    address = f"{web}/bulk/{bulk['bulk_id']}"
    wrong = await http.post(f"{address}/confirm", json={"count": 4})
    assert (wrong.status_code, "3 were counted, not 4" in wrong.text) == (409, True)
    confirmed = await http.post(f"{address}/confirm", json={"count": 3})
    assert (confirmed.status_code, confirmed.json()["status"]) == (202, "queued")

    async def is_done() -> bool:
        return bool((await http.get(address)).json()["status"] == "done")

    async with working(Settings(redis_url=redis_url)):
        await wait_until(is_done, "the bulk act is done")
    ended = (await http.get(address)).json()
    assert (ended["done"], ended["changed"], ended["refused"], ended["left"]) == (3, 0, 0, 0)
    (listed,) = (await http.get(f"{web}/bulk")).json()["bulks"]
    assert listed == ended
    assert (await http.post(f"{address}/stop")).status_code == 409
    (left,) = (await counted(http, web))["sample"]
    assert left == later


async def test_it_is_stopped_before_it_begins(web: str, http: httpx2.AsyncClient) -> None:
    await send(http, web, {"from": "a reader"})
    bulk = await counted(http, web)
    address = f"{web}/bulk/{bulk['bulk_id']}"
    assert (await http.post(f"{address}/stop")).json()["status"] == "stopped"
    assert (await http.post(f"{address}/confirm", json={"count": 1})).status_code == 409


@pytest.mark.parametrize(
    ("wish", "status", "says"),
    [
        (b"[", 400, ""),
        (b"[]", 400, "no JSON object"),
        ({"records": "letters", "x": 1}, 422, "/x"),
        ({"records": "events", "act": "cancel"}, 400, "there is no cancel of events"),
        ({"filter": {"status": "done"}}, 422, "must be some of queued, leased"),
        ({"filter": {"status": []}}, 422, "/status"),
        ({"filter": {"text": " "}}, 422, "/text"),
        ({"filter": {"text": "\0"}}, 422, "/text"),
        ({"filter": {"status": None}}, 422, "/status"),
        ({"filter": {"status": ["queued", ["dead"]]}}, 422, "/status"),
        ({"filter": {"since": "yesterday", "text": "", "x": ""}}, 422, "/since"),
        ({"filter": {"server": "none"}}, 404, "there is no server none"),
        ({"limit": 0}, 422, "/limit"),
        ({"limit": True}, 422, "/limit"),
    ],
)
async def test_a_wish_that_makes_no_sense_is_refused_with_what_is_wrong(
    web: str, http: httpx2.AsyncClient, wish: bytes | dict[str, object], status: int, says: str
) -> None:
    body = wish if isinstance(wish, bytes) else json.dumps(EXPIRE | wish).encode()
    answer = await http.post(f"{web}/bulk", content=body)
    assert (answer.status_code, says in answer.text) == (status, True), answer.text


@pytest.mark.parametrize("said", [{}, {"count": True}, {"count": 1, "x": 1}])
async def test_a_confirmation_has_the_count_and_nothing_else(
    web: str, http: httpx2.AsyncClient, said: dict[str, object]
) -> None:
    assert (await http.post(f"{web}/bulk/bulk_1/confirm", json=said)).status_code == 422


@pytest.mark.parametrize("headers", [{}, HOOK])
async def test_nobody_but_an_operator_acts_on_many(redis_url: str, headers: dict[str, str]) -> None:
    async with running_app(redis_url, GUARDED, **TOKEN) as door:
        for path in ("bulk", "bulk/bulk_1/confirm", "bulk/bulk_1/stop"):
            assert (await door.client.post(f"/{path}", headers=headers)).status_code == 401
        for path in ("bulk", "bulk/bulk_1"):
            assert (await door.client.get(f"/{path}", headers=headers)).status_code == 401

"""POST /hooks/{server}/{hook}: every row of the table of answers."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from bridge import app as app_module
from bridge.configuration.credentials import Token
from bridge.configuration.servers import Server
from bridge.local.valkey import EmbeddedValkey
from bridge.models import LeaseRef, Principal
from tests.apps import BASE, RunningApp, running_app, there
from tests.waiting import impatient

MAX_BODY_BYTES = 1000
N8N = "http://n8n:5678"
AUTH = {"Authorization": "Bearer hook-token"}
RAW_AUTH = [(name.encode(), value.encode()) for name, value in AUTH.items()]
TICKET = "/hooks/support/ticket"
STRICT = "/hooks/support/strict"
SUPPORT = Server.model_validate(
    {
        "name": "support",
        "hooks": {
            "ticket": {"auth": [{"bearer": "hook-token"}, {"bearer": "next-token"}]},
            "strict": {
                "auth": {"bearer": "hook-token"},
                "payload": {
                    "type": "object",
                    "properties": {
                        "id": {"type": "integer"},
                        "a/b": {"type": "array", "items": {"type": "string"}},
                        "from": {"type": "object", "required": ["name", "mail~address"]},
                    },
                    "required": ["id", "from"],
                },
            },
            "other": {"auth": {"bearer": "other-token"}},
        },
    }
)
GUARDED = SUPPORT.model_copy(update={"tokens": (Token(name="a", value=SecretStr("claude")),)})
"""The same as others may reach it."""


@pytest.fixture
async def door(redis_url: str) -> AsyncIterator[RunningApp]:
    async with running_app(
        redis_url, SUPPORT, n8n_url=N8N, max_body_bytes=MAX_BODY_BYTES
    ) as running:
        yield running


async def post(
    door: RunningApp,
    content: bytes = b"{}",
    *,
    path: str = TICKET,
    headers: Mapping[str, str] | None = None,
) -> httpx2.Response:
    """Send a payload as n8n would."""
    usual = {"Content-Type": "application/json", **AUTH}
    return await door.client.post(path, content=content, headers={**usual, **(headers or {})})


async def answer(door: RunningApp, value: Any) -> str:
    """Take the oldest event as Claude would, and answer it."""
    taken = await door.runtime.mcp.takers.take(
        SUPPORT, Principal("support", "local"), None, 0, there
    )
    assert taken
    held = LeaseRef(taken.event.event_id, taken.token, Principal("support", "local"))
    await door.runtime.mcp.events.reply(SUPPORT, held, value)
    return taken.event.event_id


async def assert_refused(
    door: RunningApp, response: httpx2.Response, status: int, *said: str
) -> dict[str, Any]:
    """Check that an answer is a problem that says this, and that nothing was stored."""
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["status"] == status
    assert problem["title"]
    for words in said:
        assert words in json.dumps(problem, ensure_ascii=False)
    assert await door.runtime.redis.keys("{bridge}:event:*") == []
    assert await door.runtime.redis.keys("{bridge}:idempotency:*") == []
    return problem


async def test_a_payload_is_accepted_with_its_id_and_where_to_ask(door: RunningApp) -> None:
    response = await post(door, b'{"error": "no"}')

    assert response.status_code == 202
    accepted = response.json()
    assert accepted == {
        "event_id": accepted["event_id"],
        "status": "queued",
        "duplicate": False,
        "status_url": f"{BASE}/events/{accepted['event_id']}",
    }
    assert accepted["event_id"].startswith("evt_")
    shown = await door.client.get(accepted["status_url"], headers=AUTH)
    assert shown.json()["status"] == "queued"


async def test_202_is_said_only_once_the_event_is_on_record(
    door: RunningApp, redis_url: str
) -> None:
    async with Redis.from_url(redis_url) as redis:
        await redis.client_pause(60_000, all=False)
        sending = asyncio.create_task(post(door))
        await asyncio.wait([sending], timeout=0.3)
        assert not sending.done()

        await redis.client_unpause()

        event_id = (await sending).json()["event_id"]
        assert await redis.exists(f"{{bridge}}:event:{event_id}")


async def test_an_accepted_event_outlives_a_redis_that_is_killed(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as server, running_app(server.url, SUPPORT) as door:
        event_id = (await post(door)).json()["event_id"]
        async with Redis.from_url(server.url) as redis:
            await redis.shutdown(nosave=True, force=True)
        await server.wait()
        await server.start()

        assert (await door.client.get(f"/events/{event_id}", headers=AUTH)).status_code == 200


async def test_the_status_address_is_the_public_one(redis_url: str) -> None:
    async with running_app(redis_url, GUARDED, public_url="https://bridge.example/n8n") as door:
        accepted = (await post(door)).json()

    assert accepted["status_url"] == f"https://bridge.example/n8n/events/{accepted['event_id']}"


@pytest.mark.parametrize("header", ["Idempotency-Key", "webhook-id"])
async def test_a_repeated_key_gives_the_first_event_and_stores_nothing(
    door: RunningApp, header: str
) -> None:
    first = await post(door, headers={header: 'it\'s "7"'})
    again = await post(door, headers={header: 'it\'s "7"'})

    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json() == {**first.json(), "duplicate": True}
    assert len(await door.runtime.redis.keys("{bridge}:event:*")) == 1


async def test_of_many_requests_with_one_key_one_is_accepted(door: RunningApp) -> None:
    responses = await asyncio.gather(
        *(post(door, headers={"Idempotency-Key": "one"}) for _ in range(20))
    )

    assert sorted(response.status_code for response in responses) == [200] * 19 + [202]
    assert len({response.json()["event_id"] for response in responses}) == 1


@pytest.mark.parametrize("value", [{"error": "bad"}, None, [1], "text", 0])
async def test_a_repeat_after_the_answer_gives_the_reply(door: RunningApp, value: Any) -> None:
    await post(door, headers={"Idempotency-Key": "one"})
    event_id = await answer(door, value)

    response = await post(door, headers={"Idempotency-Key": "one"})

    assert response.status_code == 200
    assert response.json() == {
        "event_id": event_id,
        "status": "answered",
        "duplicate": True,
        "reply": value,
        "status_url": f"{BASE}/events/{event_id}",
    }


async def test_one_key_on_two_hooks_is_two_events(door: RunningApp) -> None:
    key = {"Idempotency-Key": "one"}

    first = await post(door, headers=key)
    other = await post(
        door, path="/hooks/support/other", headers={**key, "Authorization": "Bearer other-token"}
    )

    assert (first.status_code, other.status_code) == (202, 202)


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b'{"a": 2}', {}),
        (b'{"a":1}', {}),
        (b'{"a": 1}', {"Bridge-Reply-Url": f"{N8N}/webhook-waiting/1"}),
    ],
    ids=["other body", "other bytes", "other reply address"],
)
async def test_a_key_reused_for_something_else_is_a_conflict(
    door: RunningApp, content: bytes, headers: Mapping[str, str]
) -> None:
    await post(door, b'{"a": 1}', headers={"Idempotency-Key": "one"})

    response = await post(door, content, headers={"Idempotency-Key": "one", **headers})

    assert response.status_code == 409
    assert response.headers["content-type"] == "application/problem+json"
    assert "Idempotency-Key" in response.json()["detail"]
    assert len(await door.runtime.redis.keys("{bridge}:event:*")) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "line 1 column 1"),
        (b"{bad", "line 1 column 2"),
        (b'{"a":\n tru}', "line 2 column 2"),
        (b'"\xff"', "not UTF-8 at byte 1"),
        (b"1e999", "at (whole) is beyond"),
        (b"[" * 400 + b"]" * 400, "nested deeper"),
        (b'{"\\ud800": 1, "\\udc00": 2}', "surrogate"),
    ],
    ids=lambda part: str(part[:12]),
)
async def test_what_is_no_json_is_refused_with_its_place(
    door: RunningApp, content: bytes, said: str
) -> None:
    await assert_refused(door, await post(door, content), 400, said)


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer wrong", "Bearer other-token", "Basic aG9vazp0b2tlbg=="]
)
async def test_a_sender_without_the_credential_is_turned_away(
    door: RunningApp, authorization: str
) -> None:
    response = await post(door, headers={"Authorization": authorization})

    await assert_refused(door, response, 401)
    assert response.headers["www-authenticate"] == "Bearer"


async def test_any_of_a_hooks_credentials_lets_in(door: RunningApp) -> None:
    assert (await post(door, headers={"Authorization": "Bearer next-token"})).status_code == 202


@pytest.mark.parametrize(
    "path",
    [
        "/hooks/support/unknown",
        "/hooks/unknown/ticket",
        "/hooks/support",
        "/hooks/support/ticket/more",
        "/hooks/support/%00",
        "/nothing",
        "/",
    ],
)
async def test_what_is_not_there_is_not_found(door: RunningApp, path: str) -> None:
    await assert_refused(door, await post(door, path=path), 404)


async def test_a_slash_at_the_end_leads_nowhere_else(door: RunningApp) -> None:
    assert (await post(door, path=f"{TICKET}/")).status_code == 202


async def test_a_hook_takes_posts_only(door: RunningApp) -> None:
    for method in ("GET", "PUT", "DELETE"):
        response = await door.client.request(method, TICKET, headers=AUTH)
        await assert_refused(door, response, 405)
        assert "POST" in response.headers["allow"].split(", ")


@pytest.mark.parametrize("size", [MAX_BODY_BYTES + 1, 2 * MAX_BODY_BYTES, 50 * MAX_BODY_BYTES])
async def test_a_body_that_is_too_long_is_refused_with_the_setting_to_change(
    door: RunningApp, size: int
) -> None:
    response = await post(door, b'"' + b"x" * (size - 2) + b'"')

    await assert_refused(door, response, 413, "BRIDGE_MAX_BODY_BYTES", str(MAX_BODY_BYTES))


async def test_a_body_as_long_as_the_limit_is_accepted(door: RunningApp) -> None:
    assert (await post(door, b'"' + b"x" * (MAX_BODY_BYTES - 2) + b'"')).status_code == 202


@pytest.mark.parametrize("media_type", ["image/png", "application/octet-stream", "x"])
async def test_other_media_are_refused(door: RunningApp, media_type: str) -> None:
    response = await post(door, headers={"Content-Type": media_type})

    await assert_refused(door, response, 415, media_type)


@pytest.mark.parametrize(
    ("media_type", "content", "payload"),
    [
        ("application/json; charset=utf-8", b"[1, null]", [1, None]),
        ("application/vnd.ticket+json", b"true", True),
        ("application/x-www-form-urlencoded", b"a=1&a=2&b=x+y", {"a": ["1", "2"], "b": "x y"}),
        ("text/plain; charset=utf-8", "\u2028 'quotes\" 🦀\n".encode(), "\u2028 'quotes\" 🦀\n"),
        ("text/csv", b"", ""),
    ],
)
async def test_json_forms_and_text_reach_claude_as_json(
    door: RunningApp, media_type: str, content: bytes, payload: Any
) -> None:
    accepted = await post(door, content, headers={"Content-Type": media_type})

    taken = await door.runtime.mcp.takers.take(
        SUPPORT, Principal("support", "local"), None, 0, there
    )

    assert accepted.status_code == 202
    assert taken
    assert taken.payload == payload


async def test_every_fault_of_a_payload_is_named_by_its_pointer(door: RunningApp) -> None:
    response = await post(
        door, b'{"a/b": ["x", 1], "from": {"name": 1}, "id": "seven"}', path=STRICT
    )

    problem = await assert_refused(door, response, 422)
    assert {error["pointer"] for error in problem["errors"]} == {
        "/id",
        "/a~1b/1",
        "/from/mail~0address",
    }
    assert all(error["detail"] for error in problem["errors"])


@pytest.mark.parametrize(("wrong", "listed"), [(20, 20), (21, 20), (100, 20)])
async def test_the_first_faults_are_listed_and_more_are_said_to_be_there(
    door: RunningApp, wrong: int, listed: int
) -> None:
    sender = {"name": "Ann", "mail~address": "a"}
    body = json.dumps({"id": 7, "from": sender, "a/b": [None] * wrong}).encode()

    problem = await assert_refused(door, await post(door, body, path=STRICT), 422)

    assert [error["pointer"] for error in problem["errors"]] == [f"/a~1b/{n}" for n in range(20)]
    assert ("there are more faults than the 20" in problem["detail"]) == (wrong > listed)


async def test_a_missing_member_is_named_by_the_pointer_it_would_have(door: RunningApp) -> None:
    problem = await assert_refused(door, await post(door, b"{}", path=STRICT), 422)

    assert {error["pointer"] for error in problem["errors"]} == {"/id", "/from"}


async def test_a_payload_of_another_type_is_named_by_the_empty_pointer(door: RunningApp) -> None:
    problem = await assert_refused(door, await post(door, b"[]", path=STRICT), 422)

    assert [error["pointer"] for error in problem["errors"]] == [""]


async def test_a_foreign_reply_address_is_refused_and_not_repeated(door: RunningApp) -> None:
    response = await post(
        door, headers={"Bridge-Reply-Url": "http://evil.example/webhook-waiting/s3cret?t=s3cret"}
    )

    await assert_refused(
        door, response, 422, "http://evil.example", "BRIDGE_N8N_URL", "BRIDGE_REPLY_ORIGINS"
    )
    assert "s3cret" not in response.text


@pytest.mark.parametrize("url", ["http://[::1", "n8n", f"{N8N}\\@x", "http://n8n:99999/x", "\xff"])
async def test_a_reply_address_that_cannot_be_read_is_refused(door: RunningApp, url: str) -> None:
    response = await door.client.post(
        TICKET, json={}, headers=[(b"bridge-reply-url", url.encode("latin-1")), *RAW_AUTH]
    )

    await assert_refused(door, response, 422, "Bridge-Reply-Url")


async def test_a_reply_address_of_n8n_is_accepted_and_told_to_nobody(
    door: RunningApp, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    url = f"{N8N}/webhook-waiting/7/reply?signature=s3cret"

    accepted = await post(door, headers={"Bridge-Reply-Url": url})
    shown = await door.client.get(accepted.json()["status_url"], headers=AUTH)

    assert accepted.status_code == 202
    assert "s3cret" not in accepted.text + shown.text
    ours = [record for record in caplog.records if record.name.startswith(("bridge", "audit"))]
    told = [str(record.__dict__) for record in ours]
    assert told
    assert not any("s3cret" in record for record in told)


@pytest.mark.parametrize(
    "deadline", ["2030-01-01T00:00:00Z", "2030-01-01T00:00:00.123+02:00", "2030-01-01t00:00:00z"]
)
async def test_a_reply_deadline_is_a_time_with_an_offset(door: RunningApp, deadline: str) -> None:
    assert (await post(door, headers={"Bridge-Reply-Deadline": deadline})).status_code == 202


@pytest.mark.parametrize("deadline", ["soon", "2030-01-01", "2030-01-01T00:00:00", "1893456000"])
async def test_another_deadline_is_refused(door: RunningApp, deadline: str) -> None:
    response = await post(door, headers={"Bridge-Reply-Deadline": deadline})

    await assert_refused(door, response, 422, "Bridge-Reply-Deadline", "RFC 3339")


async def test_while_redis_is_away_the_sender_is_told_when_to_come_back(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as server, running_app(server.url, SUPPORT) as door:
        assert (await door.client.get("/readyz")).status_code == 200
        await server.stop()

        with impatient(door.runtime.steps):
            response = await post(door)
            ready = await door.client.get("/readyz")
        alive = await door.client.get("/healthz")

        assert response.status_code == 503
        assert response.headers["content-type"] == "application/problem+json"
        assert int(response.headers["retry-after"]) >= 1
        assert (ready.status_code, int(ready.headers["retry-after"])) == (503, 2)
        assert alive.status_code == 200
        await server.start()
        assert (await post(door)).status_code == 202


async def test_while_redis_is_full_senders_claude_and_readiness_are_told_so_at_once(
    door: RunningApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_module, "PATIENCE_S", 3600)
    await door.runtime.redis.config_set("maxmemory", 1)
    try:
        answers = [await post(door), await door.client.get("/readyz")]
    finally:
        await door.runtime.redis.config_set("maxmemory", 0)
    assert [answer.status_code for answer in answers] == [503, 503]
    assert ["the store is full: raise the maxmemory" in answer.text for answer in answers] == [
        True,
        True,
    ]
    assert (await door.client.get("/readyz")).status_code == 200
    assert (await post(door)).status_code == 202


async def test_a_redis_that_is_away_for_a_moment_goes_unnoticed(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as server, running_app(server.url, SUPPORT) as door:
        await server.stop()
        sending = [asyncio.create_task(post(door, b"%d" % number)) for number in range(50)]
        await asyncio.wait(sending, timeout=0.2)

        await server.start()

        responses = await asyncio.gather(*sending)
        assert {response.status_code for response in responses} == {202}
        assert len(await door.runtime.redis.keys("{bridge}:event:*")) == 50


async def test_no_success_looks_like_an_error_to_n8n(door: RunningApp) -> None:
    key = {"Idempotency-Key": "one"}
    first = await post(door, b'{"error": "yes"}', headers=key)
    await answer(door, {"error": "yes"})
    again = await post(door, b'{"error": "yes"}', headers=key)
    shown = await door.client.get(first.json()["status_url"], headers=AUTH)

    for response in (first, again, shown):
        assert response.is_success
        assert not response.json().get("error")


FORM = "application/x-www-form-urlencoded"
IN_A_PART = (
    b'--x\r\nContent-Disposition: form-data; name="payload"\r\n\r\n{"id":1,"from":{"name":2,'
    b'"mail~address":3}}\r\n--x--\r\n'
)


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b'{"id":1,"from":{"name":2,"mail~address":3}}', "text/plain; charset=UTF-8"),
        (b'payload={"id":1,"from":{"name":2,"mail~address":3}}', FORM),
        (IN_A_PART, "multipart/form-data; boundary=x"),
        (json.dumps('{"id":1,"from":{"name":2,"mail~address":3}}').encode(), "application/json"),
    ],
    ids=["text", "form", "multipart", "a text in JSON"],
)
async def test_json_under_another_label_is_read_where_the_schema_allows_nothing_else(
    door: RunningApp, content: bytes, content_type: str
) -> None:
    response = await post(door, content, path=STRICT, headers={"Content-Type": content_type})

    assert response.status_code == 202
    taken = await door.runtime.mcp.takers.take(
        SUPPORT, Principal("support", "local"), None, 0, there
    )
    assert taken
    assert taken.payload == {"id": 1, "from": {"name": 2, "mail~address": 3}}


@pytest.mark.parametrize(
    ("content", "said"),
    [(b'{"id":"1"}', '"pointer": "/id"'), (b"plain", "object"), (b"[1]", "object")],
)
async def test_faults_of_json_under_another_label_are_those_of_the_json(
    door: RunningApp, content: bytes, said: str
) -> None:
    response = await post(door, content, path=STRICT, headers={"Content-Type": "text/plain"})

    await assert_refused(door, response, 422, said)


@pytest.mark.parametrize(
    ("content", "content_type"),
    [(b'{"id":1e999}', "text/plain"), (b'payload={"id":1e999}', FORM)],
)
async def test_a_number_beyond_a_double_is_named_under_another_label_too(
    door: RunningApp, content: bytes, content_type: str
) -> None:
    response = await post(door, content, path=STRICT, headers={"Content-Type": content_type})

    await assert_refused(door, response, 400, "1e999")


async def test_json_as_text_stays_text_where_no_schema_minds(door: RunningApp) -> None:
    assert (await post(door, b'{"id":1}', headers={"Content-Type": "text/plain"})).is_success

    taken = await door.runtime.mcp.takers.take(
        SUPPORT, Principal("support", "local"), None, 0, there
    )
    assert taken
    assert taken.payload == '{"id":1}'

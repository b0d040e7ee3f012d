"""What a hook may be told of its sender: what to keep, what repeats itself, how it is greeted."""

import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest

from bridge.configuration.servers import Server
from bridge.models import Principal
from tests.apps import RunningApp, running_app
from tests.tools import told

TOKEN = "hook-token-of-the-test"
AUTH = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
N8N = "http://n8n:5678"
REPLY_URL = f"{N8N}/webhook-waiting/7/reply?signature={'a' * 64}"
SIGNING_SECRET = "slack-signing-secret"
BEARER = {"bearer": TOKEN}
SERVER = Server.model_validate(
    {
        "name": "field",
        "hooks": {
            "plain": {"auth": BEARER},
            "kept": {
                "auth": BEARER,
                "keep": {"headers": ["X-GitHub-Event", "Referer"], "query": True},
                "coalesce": {"key": "/id", "window": "1m"},
            },
            "by-header": {"auth": BEARER, "dedupe": {"header": "X-GitHub-Delivery"}},
            "by-pointer": {"auth": BEARER, "dedupe": {"pointer": "/id"}},
            "meta": {"auth": BEARER, "handshake": {"meta": "verify-tökén"}},
            "slack": {"auth": {"slack": SIGNING_SECRET}, "handshake": "slack"},
            "graph": {"auth": BEARER, "handshake": "graph"},
        },
    }
)
CLAUDE = Principal("field", "local")


@pytest.fixture
async def door(redis_url: str) -> AsyncIterator[RunningApp]:
    async with running_app(redis_url, SERVER, n8n_url=N8N) as running:
        yield running


async def send(
    door: RunningApp, hook: str, body: Any, *, query: str = "", **headers: str
) -> tuple[int, dict[str, Any]]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await door.client.post(
        f"/hooks/field/{hook}{query}", content=json.dumps(body), headers=AUTH | named
    )
    return answer.status_code, answer.json()


async def taken(door: RunningApp) -> dict[str, Any]:
    return await told(door.runtime, CLAUDE, "take_event")


async def test_kept_headers_and_query_are_shown_beside_the_payload(door: RunningApp) -> None:
    query = "?source=org-hook&tag=a&tag=b&name=J%FCrgen"
    _, sent = await send(door, "kept", {"id": 1}, query=query, X_GitHub_Event="issue_comment")
    kept = {
        "headers": {"X-GitHub-Event": "issue_comment"},
        "query": {"source": "org-hook", "tag": ["a", "b"], "name": "Jürgen"},
    }

    event = await taken(door)
    read = await told(door.runtime, CLAUDE, "read_event", event_id=sent["event_id"])
    part = await told(door.runtime, CLAUDE, "read_event", event_id=sent["event_id"], path="/id")

    assert {name: event[name] for name in ("payload", *kept)} == {"payload": {"id": 1}} | kept
    assert {name: read[name] for name in ("value", *kept)} == {"value": {"id": 1}} | kept
    assert "outside" in event["notice"]
    assert not part.keys() & kept.keys()


async def test_what_is_not_sent_or_not_asked_for_is_not_shown(door: RunningApp) -> None:
    await send(door, "kept", {"id": 1})
    await send(door, "plain", {"id": 1}, query="?a=1", X_GitHub_Event="push")

    for _ in range(2):
        assert not (await taken(door)).keys() & {"headers", "query"}


async def test_no_secret_is_shown_in_what_is_kept(door: RunningApp) -> None:
    secrets = {
        "token": "t0p",
        "api_key": "k3y",
        "X-Amz-Signature": "s1g",
        "back": f"https://a.example/?access_token={'x' * 20}",
        "mine": TOKEN,
        "user": "https://me:pw1@a.example/",
        "resume": REPLY_URL,
        "code": "4/0AX",
        "q": "Bearer abc",
        "login": "Basic YW5uOnB3",
    }
    query = "?ok=1&" + "&".join(
        f"{name}={quote(value, safe='/:?=')}" for name, value in secrets.items()
    )
    await send(door, "kept", {}, query=query, Referer=REPLY_URL, Bridge_Reply_Url=REPLY_URL)

    event = await taken(door)

    assert event["query"].pop("ok") == "1"
    assert event["query"].keys() == secrets.keys()
    assert {"[secret]"} == {*event["query"].values(), *event["headers"].values()}


async def test_what_is_kept_is_of_the_newest_request_that_was_merged(door: RunningApp) -> None:
    for number in (1, 2):
        await send(door, "kept", {"id": 1}, query=f"?n={number}")

    event = await taken(door)

    assert (event["merged"], event["query"]) == (1, {"n": "2"})


@pytest.mark.parametrize(
    ("hook", "first", "again", "other"),
    [
        (
            "by-header",
            {"X_GitHub_Delivery": "1"},
            {"X_GitHub_Delivery": "1"},
            {"X_GitHub_Delivery": "2"},
        ),
        ("by-pointer", {"id": 7}, {"id": 7}, {"id": "7"}),
        ("by-pointer", {"id": {"b": 1, "a": 2}}, {"id": {"a": 2, "b": 1}}, {"id": [1]}),
    ],
)
async def test_a_number_that_the_sender_gives_makes_a_repeated_event_a_duplicate(
    door: RunningApp, hook: str, first: dict[str, Any], again: dict[str, Any], other: dict[str, Any]
) -> None:
    async def sent(told: dict[str, Any], more: dict[str, str]) -> tuple[int, str]:
        body, headers = (more, told) if hook == "by-header" else (told | more, {})
        status, answer = await send(door, hook, body, **headers)
        return status, answer["event_id"]

    status, event_id = await sent(first, {"at": "noon"})

    assert status == 202
    assert await sent(again, {"at": "one o'clock"}) == (200, event_id)
    assert (await sent(other, {"at": "noon"}))[0] == 202


async def test_an_idempotency_key_comes_before_the_sender_s_number(door: RunningApp) -> None:
    first = await send(door, "by-pointer", {"id": 1}, Idempotency_Key="a")
    other = await send(door, "by-pointer", {"id": 1}, Idempotency_Key="b")
    wrong = await send(door, "by-pointer", {"id": 2}, Idempotency_Key="a")

    assert (first[0], other[0], wrong[0]) == (202, 202, 409)


@pytest.mark.parametrize("body", [{}, {"id": None}, {"id": ""}, "text", [1]])
async def test_without_a_number_every_event_is_new(door: RunningApp, body: Any) -> None:
    for hook in ("by-header", "by-pointer"):
        assert [(await send(door, hook, body))[0] for _ in range(2)] == [202, 202]


async def test_meta_is_told_its_challenge_for_the_verify_token_alone(door: RunningApp) -> None:
    right = {
        "hub.mode": "subscribe",
        "hub.verify_token": "verify-tökén",
        "hub.challenge": "<b>115820",
    }

    answer = await door.client.get("/hooks/field/meta", params=right)

    assert (answer.status_code, answer.text) == (200, "<b>115820")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"
    for name, value in (("hub.mode", "x"), ("hub.verify_token", "x"), ("hub.challenge", "")):
        refused = await door.client.get("/hooks/field/meta", params=right | {name: value})
        assert refused.status_code == 401
        assert "115820" not in refused.text
    assert (await door.client.head("/hooks/field/meta", params=right)).status_code == 405


@pytest.mark.parametrize("hook", ["plain", "slack", "graph", "none", "meta"])
async def test_a_hook_takes_get_only_where_its_provider_asks_by_it(
    door: RunningApp, hook: str
) -> None:
    taken = "GET, POST" if hook == "meta" else "POST"
    for method in {"GET", "PUT", "DELETE"} - set(taken.split(", ")):
        answer = await door.client.request(method, f"/hooks/field/{hook}")
        assert (answer.status_code, answer.headers["allow"]) == (405, taken)
        assert answer.json()["detail"] == f"{method} is not answered here: send {taken}"


def signed_by_slack(body: bytes) -> dict[str, str]:
    now = str(int(time.time()))
    signature = hmac.new(
        SIGNING_SECRET.encode(), f"v0:{now}:".encode() + body, hashlib.sha256
    ).hexdigest()
    return {"X-Slack-Request-Timestamp": now, "X-Slack-Signature": f"v0={signature}"}


@pytest.mark.parametrize("challenge", ["", ',"challenge":null', ',"challenge":{"a":"b"}'])
async def test_slack_s_question_without_a_text_to_say_back_is_refused_and_no_event(
    door: RunningApp, challenge: str
) -> None:
    body = f'{{"type":"url_verification"{challenge}}}'.encode()
    headers = {"Content-Type": "application/json"} | signed_by_slack(body)

    answer = await door.client.post("/hooks/field/slack", content=body, headers=headers)

    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/challenge"]
    assert await door.runtime.redis.keys("{bridge}:event:*") == []


async def test_slack_is_told_its_challenge_if_it_signs_for_it(door: RunningApp) -> None:
    body = b'{"type":"url_verification","token":"x","challenge":"abc"}'
    signed = signed_by_slack(body)
    headers = {"Content-Type": "application/json"}

    answer = await door.client.post("/hooks/field/slack", content=body, headers=headers | signed)
    unsigned = await door.client.post("/hooks/field/slack", content=body, headers=headers)

    assert (answer.status_code, answer.text) == (200, "abc")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert unsigned.status_code == 401
    assert await door.runtime.redis.keys("{bridge}:event:*") == []


async def test_graph_is_told_its_token(door: RunningApp) -> None:
    asked = "/hooks/field/{}?validationToken=abc%20d%2Be%3Cb%3E"

    answer = await door.client.post(
        asked.format("graph"), content=b"", headers={"Content-Type": "text/plain; charset=utf-8"}
    )
    elsewhere = await door.client.post(asked.format("plain"), content=b"")
    with_body = await door.client.post(asked.format("graph"), content=b'{"value":[]}')
    empty = await door.client.post("/hooks/field/graph?validationToken=", content=b"")

    assert (answer.status_code, answer.text) == (200, "abc d+e<b>")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert (elsewhere.status_code, with_body.status_code, empty.status_code) == (401, 401, 401)
    assert await door.runtime.redis.keys("{bridge}:event:*") == []


async def test_a_hook_that_greets_takes_events_all_the_same(door: RunningApp) -> None:
    challenge = {"type": "url_verification", "challenge": "abc"}

    assert (await send(door, "graph", challenge))[0] == 202
    assert (await send(door, "meta", challenge))[0] == 202
    assert (await send(door, "plain", challenge))[0] == 202

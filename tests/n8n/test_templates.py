"""Every importable workflow, run in a real n8n: what its sticky note promises."""

import asyncio
import base64
import hashlib
import hmac
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from mcp.client import Client
from redis.asyncio import Redis

from bridge.auth.caller_tokens import CallerKey
from bridge.models import CallId, Principal
from bridge.store.caller_keys import CallerKeyStore
from bridge.store.steps import Steps
from bridge.verbs.caller_keys import CallerKeys, Told, asker
from tests.bridge_processes import Bridge
from tests.claude import use
from tests.commands import run
from tests.journeys import end_of
from tests.n8n.real import ALICE_TOKEN, TOKEN, TOOL_TOKEN, URL, RealN8n, at, bridge_to

pytestmark = pytest.mark.real_n8n

FAILS: dict[str, Any] = {
    "name": "Bridge test: it fails",
    "settings": {"executionOrder": "v1"},
    "nodes": [
        {
            "name": "Webhook",
            "type": "n8n-nodes-base.webhook",
            "typeVersion": 2.1,
            "position": [0, 0],
            "webhookId": "b41d6e00-0000-4000-8000-0000000000ff",
            "parameters": {"httpMethod": "POST", "path": "bridge/fails", "options": {}},
        },
        {
            "name": "Stop",
            "type": "n8n-nodes-base.stopAndError",
            "typeVersion": 1,
            "position": [220, 0],
            "parameters": {"errorMessage": "the printer is on fire"},
        },
    ],
    "connections": {"Webhook": {"main": [[{"node": "Stop", "type": "main", "index": 0}]]}},
}


VALUES: list[Any] = [
    "Which plan?",
    '{"x":1}',
    "",
    7,
    0.5,
    0,
    True,
    False,
    None,
    [1, "a", None],
    [],
    {},
    {"a": 1},
    {"item": 5},
    [[1], [2]],
]
"""One of each kind that n8n's nodes treat in another way."""


async def take(client: Client, hook: str) -> dict[str, Any]:
    taken = await use(client, "take_event", hook=hook, wait_seconds=60)
    assert taken["event_id"], f"no event of {hook}"
    return taken


async def reply(client: Client, taken: dict[str, Any], value: object) -> None:
    claim = {"event_id": taken["event_id"], "lease": taken["lease"]}
    await use(client, "reply_to_event", **claim, reply=value)


async def result_of(client: Client, tool: str, **arguments: object) -> dict[str, Any]:
    """Run a tool to its end, whether it gives the result or a handle."""
    told = await use(client, tool, **arguments)
    return (await end_of(client, told["call_id"]))["result"] if "call_id" in told else told


async def test_a_question_is_answered_by_claude(n8n: RealN8n, bridge: Bridge) -> None:
    await n8n.install("ask-claude.json", bridge)
    asking = asyncio.create_task(n8n.post("bridge/ask", {"question": "Which plan?"}))
    async with at(bridge) as client:
        taken = await take(client, "question")
        assert taken["payload"] == {"question": "Which plan?"}
        await reply(client, taken, {"answer": "The Team plan."})
    assert (await asking).json() == {"answer": "The Team plan."}


ALICE = {
    "tokens:\n": "tokens:\n  - {name: alice, token: env:TEMPLATES_ALICE_TOKEN}\n",
}


@pytest.mark.timeout(300)
async def test_a_tool_branches_by_who_asks_and_refuses_who_proves_nothing(
    n8n: RealN8n, tmp_path: Path
) -> None:
    async with bridge_to(tmp_path, **ALICE) as bridge:
        await n8n.install("tool-that-knows-who-asks.json", bridge)
        await n8n.post("bridge/tool-that-knows-who-asks", {})  # it is there from now on
        for token, told in (
            (TOKEN, {"hello": "TEMPLATES_TOKEN", "sees": "their own"}),
            (ALICE_TOKEN, {"hello": "Alice", "sees": "everything"}),
        ):
            async with at(bridge, token) as client:
                assert await result_of(client, "tool_that_knows_who_asks") == told
        assert (await run("keys", "rotate", "--leaked", environ=bridge.environ))[0] == 0
        async with at(bridge, ALICE_TOKEN) as client:
            assert (await result_of(client, "tool_that_knows_who_asks"))["hello"] == "Alice"
        path = "bridge/tool-that-knows-who-asks"
        for wrong in await forged(bridge):
            answer = await n8n.http.post(
                f"/webhook/{path}", headers={"X-Bridge-Key": TOOL_TOKEN, **wrong}
            )
            assert (answer.status_code, "hello" in answer.text) == (403, False), wrong
            assert answer.json()["message"].startswith("nobody has proved who asks: ")


async def forged(bridge: Bridge) -> list[dict[str, str]]:
    """Return headers that prove nothing: none, no token, and tokens that are not for this."""
    async with Redis.from_url(bridge.environ["BRIDGE_REDIS_URL"]) as redis:
        steps = Steps(redis, 5)
        async with steps.running():
            here = CallerKeys(CallerKeyStore(steps), bridge.webs[0].url)
            elsewhere = CallerKeys(CallerKeyStore(steps), "https://another.example.com")
            alice = asker(Principal("templates", "alice"), {})
            told = Told(CallId("call_1"), "tool_that_knows_who_asks", URL)
            right = await here.token(alice, told)
            tokens = [
                "",
                "no token",
                f"{right.rpartition('.')[0]}.",
                right[:-8] + ("A" * 8),
                f"{unsigned()}.{right.split('.')[1]}.",
                CallerKey.made().sign(jwt.decode(right, options={"verify_signature": False})),
                *posing(right, await here.published()),
                await elsewhere.token(alice, told),
                await here.token(alice, replace(told, audience="https://n8n.example.com")),
                await here.token(alice, replace(told, workflow="tool_that_answers")),
            ]
    return [{}, *({"Bridge-Caller": token} for token in tokens)]


def unsigned() -> str:
    return spelt({"alg": "none", "typ": "JWT"})


def posing(right: str, published: Any) -> list[str]:
    """Return tokens by keys that are none, whose header would have them taken for one."""
    said = right.split(".")[1]
    key, mine = published["keys"][0], CallerKey.made()
    with_pem = f"{spelt({'alg': 'HS256', 'typ': 'JWT', 'kid': key['kid']})}.{said}"
    mac = hmac.new(key["pem"].encode(), with_pem.encode(), hashlib.sha256).digest()
    claims = jwt.decode(right, options={"verify_signature": False})
    private = load_pem_private_key(mine.private.encode(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    heads: list[dict[str, Any]] = [
        {"kid": key["kid"], "jwk": mine.jwk},
        {"kid": "__proto__"},
        {"kid": "constructor"},
        {"kid": "../" + key["kid"]},
        {"kid": key["kid"].swapcase()},
        {"kid": ""},
        {"kid": key["kid"], "jku": "http://127.0.0.1:9/keys", "x5u": "http://127.0.0.1:9/x"},
    ]
    signed = [jwt.encode(claims, private, "ES256", head) for head in heads]
    return [f"{with_pem}.{encoded(mac)}", *signed]


def spelt(head: dict[str, Any]) -> str:
    return encoded(json.dumps(head).encode())


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


async def test_an_approval_is_given_in_time(n8n: RealN8n, bridge: Bridge) -> None:
    await n8n.install("ask-claude-with-a-limit.json", bridge)
    asking = asyncio.create_task(n8n.post("bridge/ask-with-a-limit", {"request": "a day off"}))
    async with at(bridge) as client:
        taken = await take(client, "approval")
        await reply(client, taken, {"approved": True, "reason": "go"})
    assert (await asking).json() == {"approved": True, "reason": "go"}


async def test_an_approval_that_nobody_gives_is_the_default(n8n: RealN8n, tmp_path: Path) -> None:
    async with bridge_to(tmp_path, **{"answer_within: 15m": "answer_within: 1s"}) as bridge:
        await n8n.install("ask-claude-with-a-limit.json", bridge)
        answer = await n8n.post("bridge/ask-with-a-limit", {"request": "a day off"})
    assert answer.json() == {"approved": False, "reason": "nobody answered"}


async def test_a_signed_event_is_taken(n8n: RealN8n, bridge: Bridge) -> None:
    await n8n.install("send-signed.json", bridge)
    await n8n.post("bridge/send-signed", {"news": "schön 🦀"})
    async with at(bridge) as client:
        assert (await take(client, "signed"))["payload"] == {"news": "schön 🦀"}


async def test_each_item_of_a_list_becomes_an_event_whatever_it_is(
    n8n: RealN8n, bridge: Bridge
) -> None:
    await n8n.install("fan-out.json", bridge)
    async with at(bridge) as client:
        for items in (VALUES, [], ["only one"]):
            answer = await n8n.post("bridge/fan-out", {"items": items})
            assert [sent["status"] for sent in answer.json()] == ["queued"] * len(items)
            taken = [(await take(client, "item"))["payload"] for _ in items]
            assert taken == [{"item": item} for item in items]


async def test_what_is_asked_may_be_of_any_kind(n8n: RealN8n, bridge: Bridge) -> None:
    await n8n.install("ask-claude.json", bridge)
    async with at(bridge) as client:
        for value in VALUES:
            asking = asyncio.create_task(n8n.post("bridge/ask", {"question": value}))
            taken = await take(client, "question")
            assert taken["payload"] == ({} if value is None else {"question": value})
            await reply(client, taken, {"answer": "yes"})
            assert (await asking).json() == {"answer": "yes"}


async def test_what_is_signed_may_be_of_any_kind(n8n: RealN8n, bridge: Bridge) -> None:
    await n8n.install("send-signed.json", bridge)
    async with at(bridge) as client:
        for value in VALUES:
            await n8n.post("bridge/send-signed", value)
            # The Webhook node itself makes an object of what JavaScript takes for nothing.
            empty = value is None or value in ("", 0, False)
            assert (await take(client, "signed"))["payload"] == ({} if empty else value)


async def test_a_tool_answers(n8n: RealN8n, bridge: Bridge) -> None:
    await n8n.install("tool-that-answers.json", bridge)
    async with at(bridge) as client:
        assert await result_of(client, "tool_that_answers", text="loud") == {"text": "LOUD"}


async def test_a_tool_calls_back(n8n: RealN8n, bridge: Bridge) -> None:
    await n8n.install("tool-that-calls-back.json", bridge)
    async with at(bridge) as client:
        assert await result_of(client, "tool_that_calls_back", seconds=1) == {"waited": 2}


async def test_a_tool_is_followed(n8n: RealN8n, bridge: Bridge) -> None:
    await n8n.install("tool-that-is-followed.json", bridge)
    async with at(bridge) as client:
        assert await result_of(client, "tool_that_is_followed", seconds=2) == {"waited": 2}


async def test_a_tool_asks_claude_in_the_middle(n8n: RealN8n, bridge: Bridge) -> None:
    await n8n.install("tool-that-asks-claude.json", bridge)
    async with at(bridge) as client:
        handle = await use(client, "tool_that_asks_claude", what="the old logs")
        asked = handle["input_required"]
        assert asked["payload"] == {"question": "Shall I delete the old logs?"}
        taken = await use(client, "take_event", event_id=asked["event_id"])
        await reply(client, taken, {"yes": True})
        ended = await end_of(client, handle["call_id"])
    assert ended["result"] == {"what": "the old logs", "deleted": True}


async def test_an_error_of_a_workflow_is_told(n8n: RealN8n, bridge: Bridge) -> None:
    told_by = await n8n.install("tell-claude-of-errors.json", bridge)
    failing = await n8n.publish(FAILS, errorWorkflow=told_by)
    await n8n.post("bridge/fails", {})
    async with at(bridge) as client:
        trouble = (await take(client, "trouble"))["payload"]
    assert trouble["error"] == "the printer is on fire"
    assert (trouble["workflow"]["id"], trouble["node"]) == (failing, "Stop")

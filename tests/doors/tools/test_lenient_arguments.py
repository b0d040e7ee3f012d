"""Arguments as clients really send them are understood wherever only one thing can be meant."""

import asyncio
import json
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from bridge.app import BridgeApp
from bridge.configuration.credentials import BearerAuth, Token
from bridge.configuration.servers import Hook, Server, Workflow
from bridge.configuration.settings import Settings
from tests.doors.by_hand import ALICE, N8N, authorization
from tests.doors.every_wire import Ask, asking, send
from tests.standing import Webs

Arguments = dict[str, Any]

ANSWER = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
INPUT = {
    "type": "object",
    "properties": {
        "opt": {"type": "string"},
        "filter": {"type": "object"},
        "n": {"type": "integer"},
        "any": {"type": ["string", "integer", "null"]},
        "tool": {"type": "string"},
    },
}


def workflow(schema: dict[str, Any]) -> Workflow:
    url = "http://127.0.0.1:9/webhook/w"
    return Workflow(url=url, description="Works.", input=schema, answer_inline_for_s=0)


def build(settings: Settings) -> BridgeApp:
    hooks = {"ask": ANSWER, "free": None}
    auth = (BearerAuth(token=SecretStr(N8N)),)
    server = Server(
        name="desk",
        tokens=(Token(name="alice", value=SecretStr(ALICE)),),
        hooks={name: Hook(auth=auth, reply=reply) for name, reply in hooks.items()},
        workflows={
            "open": workflow(INPUT),
            "strict": workflow(INPUT | {"additionalProperties": False}),
            "shut": workflow({"type": "object", "additionalProperties": {"maxProperties": 0}}),
            "none": workflow({"type": "object", "additionalProperties": False}),
            "slow": workflow({"type": "object", "properties": {"a": {"pattern": r"^(a|aa)+\1c$"}}}),
        },
    )
    return BridgeApp(settings, {server.name: server})


@pytest.fixture
async def app(settings: Settings, webs: Webs) -> BridgeApp:
    return await webs.app(build, settings)


async def use(ask: Ask, tool: str, given: dict[str, Any]) -> dict[str, Any]:
    answer = await ask("tools/call", name=tool, arguments=given)
    result: dict[str, Any] = answer["result"]
    return result


async def recorded(ask: Ask, tool: str, given: dict[str, Any]) -> Any:
    """Return the arguments that a call is on record with."""
    result = await use(ask, tool, given)
    assert not result.get("isError"), result
    call_id = result["structuredContent"]["call_id"]
    listed = await use(ask, "list_calls", {"response_format": "detailed", "limit": 100})
    rows = {row["call_id"]: row for row in listed["structuredContent"]["calls"]}
    return json.loads(rows[call_id]["arguments"])


@pytest.mark.parametrize("wire", ["2026", "sse"])
async def test_what_can_be_meant_in_one_way_only_is_what_is_recorded(
    web: str, http: httpx2.AsyncClient, wire: str
) -> None:
    meant: list[tuple[str, Arguments, Arguments]] = [
        ("open", {"opt": None}, {}),
        ("open", {"filter": '{"a":1}', "n": "5"}, {"filter": {"a": 1}, "n": 5}),
        ("none", {"toolCallId": "call_0"}, {}),
        ("strict", {"opt": "x", "toolCallId": "c", "sessionId": "s"}, {"opt": "x"}),
    ]
    as_it_came: list[tuple[str, Arguments]] = [
        ("open", {"any": None, "opt": "5"}),
        ("open", {"any": "5"}),
        ("open", {"toolCallId": "call_0"}),
        ("strict", {"tool": "hammer"}),
    ]
    async with asking(wire, http, web) as ask:
        for tool, given, expected in (*meant, *((tool, same, same) for tool, same in as_it_came)):
            assert await recorded(ask, tool, given) == expected


async def test_a_call_that_means_the_same_joins_the_earlier_one(
    web: str, http: httpx2.AsyncClient
) -> None:
    async with asking("2026", http, web) as ask:
        spellings: list[dict[str, Any]] = [{"n": 5}, {"n": "5"}, {"n": 5, "opt": None}]
        calls = [await use(ask, "open", given) for given in spellings]
    assert len({call["structuredContent"]["call_id"] for call in calls}) == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"n": "five"}, '/n: "five" is not of type "integer"'),
        ({"filter": "[1]"}, '/filter: "[1]" is not of type "object"'),
        ({"unknown": 1}, 'Additional properties are not allowed ("unknown" was unexpected)'),
        ({"n": None, "unknown": 1}, '/n: null is not of type "integer"'),
    ],
)
async def test_what_can_be_meant_in_more_ways_is_refused_as_it_came(
    web: str, http: httpx2.AsyncClient, given: dict[str, Any], said: str
) -> None:
    async with asking("2026", http, web) as ask:
        result = await use(ask, "strict", given)
    assert result["isError"]
    assert said in result["content"][0]["text"]


async def test_the_bridge_s_own_tools_are_as_lenient(web: str, http: httpx2.AsyncClient) -> None:
    event_id = await send(http, web, {"q": 1}, "ask")
    async with asking("2026", http, web) as ask:
        empty = dict.fromkeys(("hook", "cursor", "status", "limit", "if_changed_from"), "")
        for given in (
            {"hook": None, "limit": "1"},
            {"toolCallId": "c", "tool": "list_events"},
            empty | {"response_format": ""},
        ):
            listed = await use(ask, "list_events", given)
            assert len(listed["structuredContent"]["events"]) == 1
        assert "structuredContent" in await use(ask, "list_calls", {"status": "", "cursor": ""})
        taken = await use(ask, "take_event", {"wait_seconds": None, "event_id": None, "hook": ""})
        assert taken["structuredContent"]["event_id"] == event_id
        read = await use(ask, "read_event", {"event_id": event_id, "path": "", "offset": ""})
        assert read["structuredContent"]["value"] == {"q": 1}
        missing = await use(ask, "read_event", {"event_id": ""})
        assert missing["isError"]


async def test_an_empty_text_is_an_argument_of_a_workflow_like_any_other(
    web: str, http: httpx2.AsyncClient
) -> None:
    async with asking("2026", http, web) as ask:
        assert await recorded(ask, "open", {"opt": ""}) == {"opt": ""}


@pytest.mark.parametrize(
    ("hook", "reply", "kept"),
    [
        ("ask", '{"answer": "The Team plan."}', {"answer": "The Team plan."}),
        ("free", '{"answer": "The Team plan."}', '{"answer": "The Team plan."}'),
    ],
)
async def test_a_reply_is_what_its_hook_s_schema_lets_it_mean(
    web: str, http: httpx2.AsyncClient, hook: str, reply: str, kept: Any
) -> None:
    event_id = await send(http, web, {"q": 1}, hook)
    async with asking("2026", http, web) as ask:
        taken = await use(ask, "take_event", {"hook": hook})
        held = {"event_id": event_id, "lease": taken["structuredContent"]["lease"]}
        done = await use(ask, "reply_to_event", held | {"reply": reply})
    assert not done.get("isError"), done
    seen = await http.get(f"{web}/events/{event_id}", headers=authorization(N8N))
    assert seen.json()["reply"]["value"] == kept


async def test_others_are_answered_while_a_value_takes_too_long_to_check(
    web: str, http: httpx2.AsyncClient
) -> None:
    async with asking("sse", http, web) as ask:
        slow = asyncio.create_task(use(ask, "slow", {"a": "a" * 100}))
        answered = 0
        while not slow.done():
            assert (await http.get(f"{web}/healthz")).status_code == 200
            answered += 1
    assert "could not be checked" in (await slow)["content"][0]["text"]
    assert answered > 2


async def test_a_name_that_nobody_knows_is_repeated_in_part_only(
    web: str, http: httpx2.AsyncClient
) -> None:
    long = "x" * 40_000
    event_id = await send(http, web, {"q": 1}, "ask")
    async with asking("sse", http, web) as ask:
        answers = [
            await ask("tools/call", name=tool, arguments=given)
            for tool, given in (
                ("take_event", {"hook": long}),
                ("list_events", {"hook": long}),
                ("list_events", {"status": long}),
                ("list_events", {long: 1}),
                ("read_event", {"event_id": event_id, "path": f"/{long}"}),
                ("read_event", {"event_id": long}),
                ("extend_event", {"event_id": event_id, "lease": "x", "seconds": long}),
                ("cancel_call", {"call_id": long}),
                ("open", {"filter": {"a": 1}, "n": long}),
                ("shut", {long: {long: 1}}),
                (long, {}),
            )
        ]
        answers.append(await ask("prompts/get", name=long))
        answers.append(await ask("prompts/get", name="ask", arguments={long: "1"}))
        answers.append(await ask("prompts/get", name="ask", arguments={"limit": long}))
    for answer in answers:
        assert "error" in answer or answer["result"]["isError"]
        assert len(json.dumps(answer)) < 1500

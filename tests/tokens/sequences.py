"""Conversations as they happen: an inbox worked through, a call waited for, a result looked up."""

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

from bridge.formats.payloads import Content, resolve
from bridge.formats.pointers import pointer_to
from bridge.models import Body, Json, new_call_id, new_lease_token
from bridge.verbs.calls import CallRequest
from bridge.verbs.intake import Incoming
from tests.tokens.session import Session

CAPTURED: dict[str, dict[str, Json]] = json.loads(
    (Path(__file__).parent / "captured.json").read_text()
)
"""What nodes of a real n8n handed on; see docs/tokens.md."""

Place = tuple[str | int, ...]

ENVELOPE = ("headers", "webhookUrl", "executionMode", "pairedItem")
PLACES = (("params",), ("query",))
"""Where a Webhook node puts what an address holds, mostly nothing."""


async def inbox(session: Session, chance: random.Random) -> None:
    """Look at what waits, take one event after the other, look something up in it, reply."""
    payloads = chance.choices(list(CAPTURED["events"].values()), k=chance.randint(2, 5))
    for payload in payloads:
        await _send(session, payload)
    for _ in range(chance.randint(1, 3)):
        await session.ask("list_events")
    for payload in payloads:
        taken = await session.ask("take_event")
        _demand_facts(session, payload, taken["payload"])
        for path, value in chance.sample(_facts(payload), k=min(2, len(_facts(payload)))):
            named = {"event_id": taken["event_id"], "path": path}
            assert (await session.ask("read_event", **named))["value"] == value
        told = {"value": taken["payload"]} | taken
        session.hold(told, "read_event", event_id=taken["event_id"])
        for _ in range(chance.randint(0, 2)):
            whole = await session.ask("read_event", event_id=taken["event_id"])
            _demand_facts(session, payload, whole["value"])
        held = {"event_id": taken["event_id"], "lease": taken["lease"]}
        await session.ask("reply_to_event", **held, reply={"answer": "It is on its way."})
        session.heard = {asked: it for asked, it in session.heard.items() if "take_" not in asked}


async def calls(session: Session, chance: random.Random) -> None:
    """Wait for calls, read what came of them, and come back to it some turns later."""
    results = chance.choices(list(CAPTURED["results"].values()), k=chance.randint(1, 4))
    ids = [await _run(session, result) for result in results]
    for call_id, result in zip(ids, results, strict=True):
        read = await session.ask("read_call", call_id=call_id, wait_seconds=60)
        _demand_values(session, result, read["result"])
    for _ in range(chance.randint(1, 3)):
        await session.ask("list_calls")
    for _ in range(chance.randint(0, 3)):
        at = chance.randrange(len(ids))
        read = await session.ask("read_call", call_id=ids[at], wait_seconds=60)
        _demand_values(session, results[at], read["result"])


KINDS = {"inbox": inbox, "calls": calls}


async def _send(session: Session, payload: Json) -> None:
    runtime = session.runtime
    server = runtime.mcp.servers[session.principal.server]
    content = Content(payload, Body(json.dumps(payload).encode(), "application/json"))
    await runtime.web.intake.accept(server, server.hooks["webhook"], Incoming(content))


async def _run(session: Session, result: Json) -> str:
    runtime, principal = session.runtime, session.principal
    workflow = runtime.mcp.servers[principal.server].workflows["report"]
    call = await runtime.mcp.calls.start(CallRequest(principal, workflow, {}, new_call_id()))
    running = await runtime.stores.runs.lease(call.call_id, new_lease_token())
    assert running
    await runtime.web.callbacks.succeed(call.call_id, running.secret, result)
    return call.call_id


def _leaves(value: Json, at: Place = ()) -> list[tuple[Place, Json]]:
    inner: list[tuple[Any, Json]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    if isinstance(value, list):
        inner = list(enumerate(value))
    if not inner:
        return [] if value is None else [(at, value)]
    return [leaf for key, it in inner for leaf in _leaves(it, (*at, key))]


def _facts(payload: Json) -> list[tuple[str, Json]]:
    """Return every place of a payload that says something, n8n's envelope included."""
    return [(pointer_to(place), value) for place, value in _leaves(payload)]


def _needed(session: Session, value: Json) -> list[tuple[Place, Json]]:
    spares_empty = session.variant.server == "hard"
    return [
        (at, it)
        for at, it in _leaves(value)
        if not set(ENVELOPE) & set(at)
        and not (at[-1:] in PLACES and it == {})
        and not (spares_empty and it in ("", [], {}))
    ]


def _demand_facts(session: Session, payload: Json, shown: Json) -> None:
    for place, value in _needed(session, payload):
        assert resolve(shown, pointer_to(place)) == value


def _demand_values(session: Session, result: Json, shown: Json) -> None:
    needed = Counter(repr(value) for _, value in _needed(session, result))
    assert needed <= Counter(repr(value) for _, value in _leaves(shown))

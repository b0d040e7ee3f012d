"""A server with two hooks and two workflows, and principals who may use a part of it."""

from collections.abc import Mapping
from typing import Any

import httpx2

from bridge.auth.authentication import Scope
from bridge.configuration.servers import Server
from bridge.formats.payloads import Content
from bridge.models import Body, EventId
from bridge.runtime import Runtime
from bridge.verbs.intake import Incoming
from tests.doors.by_hand import ALICE, Message, Modern, call, request

DESK = Server.model_validate(
    {
        "name": "desk",
        "tokens": [{"name": "alice", "token": ALICE}],
        "hooks": {
            "letters": {"auth": {"bearer": "hook"}},
            "alarms": {"auth": {"bearer": "hook"}, "priority": 1},
        },
        "workflows": {
            "stamp": {"url": "http://127.0.0.1:9/webhook/stamp", "answer_inline_for": 0},
            "look_up": {
                "url": "http://127.0.0.1:9/webhook/look-up",
                "annotations": {"read_only": True},
                "answer_inline_for": 0,
            },
        },
    }
)
READER = Scope(acts=False)
CLERK = Scope(hooks=frozenset({"letters"}), workflows=frozenset())
CALLER = Scope(hooks=frozenset(), workflows=frozenset({"stamp"}))
READS = ["look_up", "list_events", "read_event", "read_call", "list_calls"]
INBOX = [
    "list_events",
    "take_event",
    "read_event",
    "reply_to_event",
    "extend_event",
    "release_event",
]
CALLS = ["read_call", "list_calls", "cancel_call"]
SEEN: Mapping[str, tuple[Scope, list[str]]] = {
    "reader": (READER, READS),
    "clerk": (CLERK, INBOX),
    "caller": (CALLER, ["stamp", *CALLS]),
    "narrow reader": (
        Scope(acts=False, hooks=frozenset({"alarms"}), workflows=frozenset({"stamp"})),
        ["list_events", "read_event", "read_call", "list_calls"],
    ),
}


async def token_for(runtime: Runtime, name: str, scope: Scope, ttl_s: float | None = None) -> str:
    """Make a token at the desk."""
    token, _ = await runtime.mcp.authenticator.tokens.add(DESK, name, scope, ttl_s)
    return token


async def renewed(runtime: Runtime, name: str, scope: Scope) -> str:
    """Take the tokens of a principal away, and make one with these rights."""
    for token in await runtime.mcp.authenticator.tokens.list(DESK.name):
        if token.principal.name == name:
            await runtime.mcp.authenticator.tokens.revoke(token.token_id)
    return await token_for(runtime, name, scope)


def client(http: httpx2.AsyncClient, origin: str, token: str) -> Modern:
    """Return a client of the 2026 wire at the desk."""
    return Modern(http, f"{origin}/mcp/desk", token)


async def names(modern: Modern) -> list[str]:
    """List the tools that a client is shown."""
    answer = await modern.post(request("tools/list"))
    return [tool["name"] for tool in answer.json()["result"]["tools"]]


async def told(modern: Modern, tool: str, **arguments: Any) -> Message:
    """Call a tool; returns its JSON-RPC answer, without what differs from answer to answer."""
    answer: Message = (await modern.post(call(tool, **arguments))).json()
    answer.get("result", {}).pop("_meta", None)
    return answer


async def send(runtime: Runtime, hook: str, says: str = "") -> EventId:
    """Have n8n send an event on a hook, which says its name or what it is to say."""
    incoming = Incoming(Content({"a": says or hook}, Body(b'{"a": "it"}', "application/json")))
    event, _ = await runtime.web.intake.accept(DESK, DESK.hooks[hook], incoming)
    return event.event_id

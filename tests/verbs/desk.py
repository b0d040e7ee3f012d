"""The server that the verbs are tried on, and what n8n and Claude do there."""

from typing import Any

from bridge.configuration.servers import Server
from bridge.formats.payloads import Content
from bridge.models import Body, Call, EventId, LeaseRef, Principal, new_call_id
from bridge.runtime import Runtime
from bridge.verbs.calls import CallRequest
from bridge.verbs.intake import Incoming
from bridge.verbs.takers import Presence, Taken
from tests.apps import there

N8N = "http://n8n:5678"
ADDRESS = f"{N8N}/webhook-waiting/7/reply?signature=s"
ALICE = Principal("desk", "alice")
WORKFLOWS: dict[str, dict[str, Any]] = {
    "stamp": {},
    "twice": {"annotations": {"idempotent": True}, "retry": {"attempts": 2}},
    "typed": {"output": {"type": "object", "required": ["ok"]}},
    "listed": {"output": {"items": {"type": "string"}}},
    "patterned": {"output": {"type": "string", "pattern": r"^(a|aa)+\1c$"}},
    "brief": {"timeout": "1s"},
    "paged": {"output": {"type": "string"}},
    "later": {"result": "callback"},
    "followed": {"result": "execution", "output": {"type": "object"}},
    "chased": {"result": "execution", "timeout": "1s"},
    "guarded": {"approve": "always"},
    "by_hook": {"approve": "always", "by": {"hook": "letter"}},
    "open": {"approve": "never"},
    "wiping": {"approve": "destructive"},
    "looking": {"approve": "destructive", "annotations": {"read_only": True}},
    "harmless": {"approve": "destructive", "annotations": {"destructive": False}},
    "dear": {"approve": {"when": {"properties": {"eur": {"minimum": 100}}, "required": ["eur"]}}},
    "doubtful": {"approve": {"when": {"properties": {"a": {"pattern": r"^(a|aa)+\1c$"}}}}},
    "followed_twice": {"result": "execution", "annotations": {"idempotent": True}},
}
DESK = Server.model_validate(
    {
        "name": "desk",
        "hooks": {
            name: {"auth": {"bearer": "hook"}, "priority": priority}
            for name, priority in {"letter": 0, "alarm": 5}.items()
        },
        "workflows": {
            name: {"url": f"{N8N}/webhook/{name}", "input": {"type": "object"}, **said}
            for name, said in WORKFLOWS.items()
        },
    }
)


async def send(
    runtime: Runtime, hook: str = "letter", *, reply_url: str = "", deadline: str = ""
) -> EventId:
    """Have n8n send an event."""
    content = Content({}, Body(b"{}", "application/json"))
    incoming = Incoming(content, reply_url=reply_url, reply_deadline=deadline)
    event, _ = await runtime.web.intake.accept(DESK, DESK.hooks[hook], incoming)
    return event.event_id


async def take(
    runtime: Runtime, wait_s: float = 0, hook: str | None = None, presence: Presence = there
) -> Taken | None:
    """Have Claude take an event."""
    return await runtime.mcp.takers.take(DESK, ALICE, hook, wait_s, presence)


async def answered(runtime: Runtime, value: Any = None, **sent: str) -> EventId:
    """Have an event answered whose reply has an address."""
    await send(runtime, reply_url=ADDRESS, **sent)
    taken = await take(runtime)
    assert taken
    event_id = taken.event.event_id
    await runtime.mcp.events.reply(DESK, LeaseRef(event_id, taken.token, ALICE), value)
    return event_id


async def start(runtime: Runtime, workflow: str = "stamp", **arguments: Any) -> Call:
    """Have Claude run a workflow."""
    asked = CallRequest(ALICE, DESK.workflows[workflow], arguments, new_call_id())
    return await runtime.mcp.calls.start(asked)

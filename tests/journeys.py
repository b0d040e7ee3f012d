"""What tests go through on a bridge of real processes: calls, and replies to questions."""

from dataclasses import dataclass
from typing import Any

from mcp.client import Client

from tests.bridge_processes import Bridge
from tests.claude import use
from tests.waiting import wait_until

INTERRUPTED = "interrupted after it was sent; it may have run"
"""What the bridge says of a call that it must not send again."""

TAKEN_OVER_S = 20.0
LEAST_S = 0.5
"""How long a call takes at least, so that whoever starts it gets a handle and no result."""


async def start_call(client: Client, tool: str, label: str, seconds: float = LEAST_S) -> str:
    """Start a call that takes so long in n8n; returns its id."""
    handle = await use(client, tool, label=label, seconds=seconds)
    call_id: str = handle["call_id"]
    return call_id


async def end_of(client: Client, call_id: str) -> dict[str, Any]:
    """Wait until a call has ended, and read it."""
    return await use(client, "read_call", call_id=call_id, wait_seconds=60)


@dataclass(frozen=True)
class Question:
    """An execution that waits for a reply, and Claude's right to give it."""

    execution_id: str
    event_id: str
    lease: str


async def take_question(bridge: Bridge, client: Client) -> Question:
    """Take the event of an execution that waits twice, for `/reply` and then for `/again`."""
    execution = await bridge.park("reply", "again")
    await bridge.send("?", reply_url=execution["replyUrl"])
    event = await use(client, "take_event", wait_seconds=TAKEN_OVER_S)
    return Question(execution["id"], event["event_id"], event["lease"])


@dataclass(frozen=True)
class Delivery:
    """How a reply came to its execution: what resumed it, and n8n's answer to each attempt."""

    resumed_with: object
    waits_for: str
    answers: list[object]


async def delivery(bridge: Bridge, question: Question) -> Delivery:
    """Wait until a reply is known as delivered."""

    async def is_delivered() -> bool:
        event = await bridge.event(question.event_id)
        return bool(event["reply"]["status"] == "delivered")

    await wait_until(is_delivered, "the reply was delivered", TAKEN_OVER_S)
    execution = bridge.n8n.executions.find(question.execution_id)
    assert execution
    assert execution.wait
    seen = bridge.n8n.seen.of(f"/webhook-waiting/{question.execution_id}/reply")
    answers: list[object] = [each.outcome for each in seen]
    return Delivery(execution.resumed_with, execution.wait.suffix, answers)

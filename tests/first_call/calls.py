"""The first call of each kind of project: what it is made for, done once."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from mcp.client import Client

from bridge.authoring.scaffold.project import Kind
from tests.claude import use
from tests.first_call.project import NewProject

TOOL = "first_call"


async def tool(_project: NewProject, claude: Client) -> None:
    """Claude runs the workflow."""
    assert (await use(claude, TOOL, text="hello"))["text"] == "HELLO"


async def inbox(project: NewProject, claude: Client) -> None:
    """Something is handed over, and Claude takes it."""
    accepted = await project.hand_over("inbox", {"text": "hello"})
    event = await use(claude, "take_event", wait_seconds=10)
    assert accepted["status"] == "queued"
    assert event["event_id"] == accepted["event_id"]
    assert event["payload"] == {"text": "hello"}


async def approval(project: NewProject, claude: Client) -> None:
    """A workflow asks and waits, Claude answers, and the workflow ends with the answer."""
    asked = asyncio.create_task(project.hand_over("approval", {"request": "delete it"}))
    event = await use(claude, "take_event", wait_seconds=30)
    assert event["payload"] == {"request": "delete it"}
    reply = {"approved": True, "reason": "it is old"}
    await use(
        claude, "reply_to_event", event_id=event["event_id"], lease=event["lease"], reply=reply
    )
    ended = await asked
    assert ended.get("reply", ended) == reply


async def document(project: NewProject, claude: Client) -> None:
    """A long document comes in pages, and the workflow that reports has its result."""
    await project.hand_over("document", {"title": "A", "text": "b" * 100_000})
    event = await use(claude, "take_event", wait_seconds=10)
    assert event["partial"] is True
    read = await use(claude, TOOL, document_url="https://example.com/a.pdf")
    assert read["pages"] == 2


async def python(_project: NewProject, claude: Client) -> None:
    """Claude runs the function."""
    assert (await use(claude, TOOL, text="hello"))["text"] == "HELLO"


FIRST_CALLS: Mapping[Kind, Callable[[NewProject, Client], Awaitable[None]]] = {
    "inbox": inbox,
    "tool": tool,
    "approval": approval,
    "document": document,
    "python": python,
}

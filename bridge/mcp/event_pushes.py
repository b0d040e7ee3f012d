"""Events that wait in an inbox, as they are told to a session that is idle.

Claude Code's channels, a preview, take them as notifications. Source: code.claude.com, "Channels
reference". A push is never acknowledged, and one that comes in the middle of a turn may be lost;
that is why each is made again until its event was taken.
"""

import json
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from bridge.configuration.servers import Server
from bridge.mcp.tool_results import DATA_NOTICE
from bridge.models import Event, Message, instant
from bridge.verbs.pushes import Pushes

CAPABILITY = "claude/channel"
METHOD = "notifications/claude/channel"


async def push_events(
    pushes: Pushes, server: Server, send: Callable[[Message], Awaitable[None]]
) -> None:
    """Notify a session of the events of a server, as long as it lasts."""
    async with aclosing(pushes.events(server)) as events:
        async for event in events:
            if event:
                await send(announcement(event))


def announcement(event: Event) -> Message:
    """Notify of one event; names in `meta` are identifiers, as Claude Code drops all others."""
    meta = {"server": event.server, "hook": event.hook, "event_id": event.event_id}
    content = (
        f"An event waits in the inbox. Take it with take_event (event_id: {event.event_id}), then "
        f"answer it with reply_to_event.\n{summary(event)}"
    )
    return {"jsonrpc": "2.0", "method": METHOD, "params": {"content": content, "meta": meta}}


def summary(event: Event) -> str:
    """Return on one line what an event is and how it begins, marked as data."""
    told = {
        "event_id": event.event_id,
        "hook": event.hook,
        "received_at": instant(event.received_at_ms),
        "notice": DATA_NOTICE,
        "summary": event.summary,
    }
    return "".join(map(_harmless, json.dumps(told, ensure_ascii=False)))


def _harmless(character: str) -> str:
    """Return a character of JSON, as its escape where it is not seen or might be a tag's.

    Claude Code puts what it is told between tags, and a terminal obeys what it does not show.
    """
    if character in "<>":
        return f"\\u{ord(character):04x}"
    return character if character.isprintable() else json.dumps(character)[1:-1]

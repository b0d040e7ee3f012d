"""Whole numbers, which JSON Schema lets a client spell with a fraction of zero."""

from typing import Any

import httpx2
import pytest

from tests.doors.every_wire import asking, send


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("list_events", {"limit": 1.0}),
        ("list_calls", {"limit": 1.0}),
        ("read_event", {"offset": 1.0}),
        ("read_event", {"path": "/files/0", "offset": 1e30}),
        ("read_event", {"offset": 1e30}),
    ],
)
async def test_a_whole_number_may_be_spelled_with_a_fraction(
    web: str, http: httpx2.AsyncClient, tool: str, given: dict[str, Any]
) -> None:
    event_id = await send(http, web, {"a": 1})
    named = {"event_id": event_id} if tool == "read_event" else {}

    async with asking("2026", http, web) as ask:
        answers = [
            await ask("tools/call", name=tool, arguments=named | spelled)
            for spelled in (given, {n: int(v) if n != "path" else v for n, v in given.items()})
        ]

    assert answers[0]["result"] == answers[1]["result"]

"""Payloads and results too long to be read whole: each page is cut out of what was kept."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bridge.formats.json_text import LONG_BYTES
from bridge.models import Message
from tests.apps import RunningApp, running_app
from tests.doors.tools.test_exact_numbers import OFFICE, ask, keep, send

LONG = {"rows": [{"id": number, "name": f"näme {number}"} for number in range(60_000)], "last": [7]}


@pytest.fixture
async def door(redis_url: str) -> AsyncIterator[RunningApp]:
    async with running_app(redis_url, OFFICE, result_chars=600_000) as running:
        yield running


async def whole(door: RunningApp, tool: str, shown: str, offset: int, **named: Any) -> str:
    text = ""
    while True:
        part: Message = await ask(door, tool, **named, offset=offset)
        text += str(part[shown])
        if part["next_offset"] is None:
            return text
        offset = part["next_offset"]


async def test_a_long_payload_and_a_long_result_are_told_page_by_page(
    door: RunningApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = json.dumps(LONG)
    assert len(body) > LONG_BYTES
    sent, call_id = await send(door, body), await keep(door, body)

    longest, loads = 0, json.loads

    def seen(content: bytes | str, **how: Any) -> Any:
        nonlocal longest
        longest = max(longest, len(content))
        return loads(content, **how)

    monkeypatch.setattr(json, "loads", seen)
    taken = await ask(door, "take_event")
    assert taken["partial"]
    event = {"event_id": sent["event_id"]}
    rest = await whole(door, "read_event", "text", taken["next_offset"], **event)
    result = await whole(door, "read_call", "result", 0, call_id=call_id)
    rows = await whole(door, "read_event", "text", 0, **event, path="/rows")
    row = await ask(door, "read_event", **event, path="/rows/59999")
    last = await ask(door, "read_event", **event, path="/last")
    monkeypatch.undo()

    assert longest < LONG_BYTES
    assert json.loads(taken["payload"] + rest) == json.loads(result) == LONG
    assert json.loads(rows) == LONG["rows"]
    assert row["value"] == {"id": 59999, "name": "näme 59999"}
    assert last["value"] == [7]
    assert "näme" in rows

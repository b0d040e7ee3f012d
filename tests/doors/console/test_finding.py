"""From any id to its record, over n8n, Claude and the bridge."""

from typing import Any

import pytest

from bridge.models import new_call_id
from bridge.verbs.calls import CallRequest
from tests.doors.by_hand import Modern, request
from tests.doors.conftest import DESK
from tests.doors.console.operating import ALICE, VIEWER, Desktop, desktop
from tests.doors.console.test_pages import N8N, ids
from tests.doors.every_wire import message_of


async def use(desk: Desktop, tool: str, tool_use: str, **given: object) -> dict[str, Any]:
    """Use a tool as Claude Code does, which tells the id of that use."""
    client = Modern(desk.browser, "/mcp/desk")
    meta = {"claudecode/toolUseId": tool_use}
    asked = request("tools/call", 8, name=tool, arguments=given, _meta=meta)
    result: dict[str, Any] = message_of(await client.post(asked))["result"]
    assert not result.get("isError"), result
    structured: dict[str, Any] = result["structuredContent"]
    return structured


async def led_to(desk: Desktop, text: str) -> str:
    """Return the path of the record that an id leads to."""
    answer = await desk.browser.get("/console/find", params={"id": text})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].removeprefix("/console")


async def test_any_id_of_the_three_systems_leads_to_its_record(redis_url: str) -> None:
    async with desktop(redis_url, n8n_url=N8N) as desk:
        event_id = await desk.send({"a": 1}, **{"idempotency-key": "n8n_aBc9_41_0"})
        call_id = await desk.call()
        await desk.log_in()
        for text, path in {
            event_id: f"/events/{event_id}",
            f" {call_id} ": f"/calls/{call_id}",
            "aBc9/41": f"/events/{event_id}",
            "41": f"/events/{event_id}",
            "": "",
        }.items():
            assert await led_to(desk, text) == path
        assert "No such event" in await desk.show("/find?id=evt_x", 404)
        assert "Nothing on record does" in await desk.show("/find?id=toolu_x")


async def test_uses_of_tools_stand_in_the_timelines_and_lead_to_them(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        event_id = await desk.send({"a": 1})
        taken = await use(desk, "take_event", "toolu_take")
        named = {"event_id": event_id, "lease": taken["lease"], "reply": "thanks"}
        await use(desk, "reply_to_event", "toolu_reply", **named)
        await desk.log_in()
        timeline = (await desk.show(f"/events/{event_id}")).partition('class="timeline"')[2]
        for tool_use in ("toolu_take", "toolu_reply"):
            assert tool_use in timeline
            assert ids(await desk.show(f"/find?id={tool_use}")) == [event_id]
            assert ids(await desk.show(f"/events?q={tool_use}")) == [event_id]
        assert "toolu_take of by-hand" in timeline


async def test_a_call_tells_by_which_use_of_a_tool_it_was_made(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        await desk.log_in()
        asked = CallRequest(
            ALICE,
            DESK.workflows["stamp"],
            {"letter": "Dear Ann"},
            new_call_id(),
            tool_use="toolu_call",
            client="claude-code",
        )
        await desk.door.runtime.mcp.calls.start(asked)
        (call_id,) = ids(await desk.show("/find?id=toolu_call"))
        page = await desk.show(f"/calls/{call_id}")
    timeline = page.partition('class="timeline"')[2]
    assert timeline.count("<strong>created</strong>") == 1
    assert "toolu_call of claude-code" in timeline


@pytest.mark.parametrize(("text", "status"), [("plans", 400), ("41", 400), ("toolu_x", 200)])
async def test_a_viewer_finds_by_ids_that_tell_nothing_of_a_payload(
    redis_url: str, text: str, status: int
) -> None:
    async with desktop(redis_url) as desk:
        await desk.send({"about": "plans"})
        await desk.log_in(VIEWER)
        await desk.show(f"/find?id={text}", status)


async def test_a_viewer_learns_nothing_of_a_text_that_looks_like_an_id(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        await desk.send({"note": "call_me_at_noon"})
        held = await desk.take()
        events = desk.door.runtime.mcp.events
        await events.release(held, reason="evt_of_old says so", delay_s=0, dead=False)
        call_id = await desk.call()
        await desk.door.runtime.stores.calls.cancel(call_id, "toolu_was wrong")
        paths = ["/events?q=call_me", "/events?q=evt_of", "/calls?q=toolu_was"]
        paths += ["/find?id=toolu_was"]
        await desk.log_in()
        assert all([ids(await desk.show(path)) for path in paths])
        await desk.log_in(VIEWER)
        assert not any([ids(await desk.show(path)) for path in paths])
        assert ids(await desk.show(f"/calls?q={call_id[:12]}")) == [call_id]

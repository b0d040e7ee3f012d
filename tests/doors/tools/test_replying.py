"""A reply is what its hook asks for, or is refused with what is wrong, on every wire."""

import httpx2
import pytest

from tests.doors.by_hand import N8N, Message, authorization
from tests.doors.every_wire import WIRES, Ask, asking, send


async def use(ask: Ask, tool: str, **given: object) -> Message:
    """Call a tool; return its result."""
    result: Message = (await ask("tools/call", name=tool, arguments=given))["result"]
    return result


@pytest.mark.parametrize("wire", WIRES)
async def test_a_reply_that_breaks_its_hooks_schema_is_refused_and_may_be_mended(
    web: str, http: httpx2.AsyncClient, wire: str
) -> None:
    event_id = await send(http, web, {"from": "a reader"})
    async with asking(wire, http, web) as ask:
        taken = (await use(ask, "take_event"))["structuredContent"]
        held = {"event_id": event_id, "lease": taken["lease"]}

        refused = await use(ask, "reply_to_event", **held, reply={"thanks": True})
        assert refused["isError"]
        assert "string" in refused["content"][0]["text"]

        accepted = await use(ask, "reply_to_event", **held, reply="Thank you.")
        assert not accepted.get("isError"), accepted
    status = await http.get(f"{web}/events/{event_id}", headers=authorization(N8N))
    assert status.json()["status"] == "answered"
    assert status.json()["reply"]["value"] == "Thank you."

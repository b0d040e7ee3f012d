"""What is paused says so wherever somebody would wait for it, and goes on when it is resumed."""

import httpx2
import pytest

from tests.doors.by_hand import N8N, Message, authorization
from tests.doors.every_wire import WIRES, Ask, asking, send

SINCE = "is paused by an operator since 20"


async def use(ask: Ask, tool: str, **given: object) -> Message:
    """Call a tool; return the structure of its result."""
    result: Message = (await ask("tools/call", name=tool, arguments=given))["result"]
    assert not result.get("isError"), result
    structured: Message = result["structuredContent"]
    return structured


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("place", ["desk", "desk/letters"])
async def test_the_inbox_says_why_no_event_comes_of_a_paused_hook(
    web: str, http: httpx2.AsyncClient, wire: str, place: str
) -> None:
    assert (await http.post(f"{web}/pauses/{place}")).status_code == 200
    event_id = await send(http, web, {"from": "a reader"})
    status = await http.get(f"{web}/events/{event_id}", headers=authorization(N8N))
    assert status.json()["status"] == "queued"
    assert status.json()["paused"].startswith("paused by an operator since 20")
    async with asking(wire, http, web) as ask:
        listed = await use(ask, "list_events")
        assert [event["event_id"] for event in listed["events"]] == [event_id]
        assert SINCE in listed["paused"]
        for given in ({}, {"hook": "letters"}, {"wait_seconds": 0.05}):
            taken = await use(ask, "take_event", **given)
            assert taken["event_id"] is None
            assert taken["paused"].startswith(f"{place} {SINCE}")
        refused = await ask("tools/call", name="take_event", arguments={"event_id": event_id})
        assert refused["result"]["isError"]
        assert f"desk/letters {SINCE}" in refused["result"]["content"][0]["text"]

        assert (await http.delete(f"{web}/pauses/{place}")).status_code == 200
        assert (await use(ask, "take_event"))["event_id"] == event_id
        assert "paused" not in await use(ask, "list_events")


@pytest.mark.parametrize("wire", WIRES)
async def test_a_call_of_a_paused_workflow_is_taken_and_says_that_it_waits(
    web: str, http: httpx2.AsyncClient, wire: str
) -> None:
    await http.post(f"{web}/pauses/desk/stamp")
    async with asking(wire, http, web) as ask:
        handle = await use(ask, "stamp", letter="a")
        assert handle["status"] == "queued"
        assert f"stamp {SINCE}" in handle["next"]
        read = await use(ask, "read_call", call_id=handle["call_id"])
        assert read["paused"].startswith("paused by an operator since 20")
        (listed,) = (await use(ask, "list_calls"))["calls"]
        assert listed["paused"] == read["paused"]

        await http.delete(f"{web}/pauses/desk/stamp")
        assert "paused" not in await use(ask, "read_call", call_id=handle["call_id"])


async def test_operators_pause_list_and_resume_over_http(
    web: str, http: httpx2.AsyncClient
) -> None:
    paused = (await http.post(f"{web}/pauses/desk/letters?running=release")).json()
    assert (paused["place"], paused["by"]) == ("desk/letters", "operator")
    assert (paused["released"], paused["cancelled"], paused["go_on"]) == (0, 0, 0)
    again = (await http.post(f"{web}/pauses/desk/letters")).json()
    assert again["since"] == paused["since"]
    await http.post(f"{web}/pauses/desk")
    listed = (await http.get(f"{web}/pauses")).json()["pauses"]
    assert [each["place"] for each in listed] == ["desk", "desk/letters"]
    metrics = (await http.get(f"{web}/metrics")).text
    assert 'n8n_bridge_paused{part="letters",server="desk"} 1.0' in metrics

    resumed = await http.delete(f"{web}/pauses/desk")
    assert resumed.json() == {"place": "desk", "still_paused": ["desk/letters"]}
    assert (await http.delete(f"{web}/pauses/desk/letters")).json()["still_paused"] == []
    refused = await http.delete(f"{web}/pauses/desk/letters")
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "desk/letters is not paused; paused is: nothing",
    )


@pytest.mark.parametrize(
    ("path", "status"),
    [("none", 404), ("desk/none", 404), ("desk/letters?running=never", 422)],
)
async def test_what_is_not_there_cannot_be_paused(
    web: str, http: httpx2.AsyncClient, path: str, status: int
) -> None:
    answer = await http.post(f"{web}/pauses/{path}")
    assert answer.status_code == status
    assert (await http.get(f"{web}/pauses")).json() == {"pauses": []}

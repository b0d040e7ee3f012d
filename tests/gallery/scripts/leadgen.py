"""A call asks in its middle; it goes on with those approved, or stops when they are refused."""

from typing import Any

from mcp.client import Client

from tests.claude import use
from tests.gallery.stage import Scene, reply
from tests.journeys import end_of


async def play(scene: Scene) -> None:
    request = scene.sample("request.json")
    async with scene.claude() as client:
        result, leads = await contacted(client, request, {"approved": False, "reason": "too soon"})
        assert result == {"contacted": [], "reason": "too soon"}
        assert scene.received("mail/messages") == scene.received("crm/leads") == []
        assert [lead["company"] for lead in leads] == [
            "Haven Freight",
            "Dijk Logistics",
            "Kanaal Couriers",
        ]

        yes = {"approved": True, "leave_out": ["info@dijk.test"]}
        result, _ = await contacted(client, request, yes)
        assert result == {"contacted": ["office@haven-freight.test", "hello@kanaal.test"]}

        unclear = {"approved": True, "leave_out": ["the Dijk people"]}
        assert await contacted(client, request, unclear) == (
            {"contacted": [], "reason": "leave_out names none of the leads: the dijk people"},
            leads,
        )
        all_of_them = ["Office@Haven-Freight.test", " Dijk Logistics", "hello@kanaal.test"]
        refused = {"approved": True, "leave_out": all_of_them}
        assert (await contacted(client, request, refused))[0]["contacted"] == []

        nobody = await use(client, "contact_leads", **request | {"country": "AQ"})
        assert nobody["contacted"] == []
    mails = scene.received("mail/messages")
    assert [mail["to"] for mail in mails] == result["contacted"]
    assert {mail["text"] for mail in mails} == {request["message"]}
    assert [lead["score"] for lead in scene.received("crm/leads")] == [74, 4]


async def contacted(
    client: Client, request: dict[str, Any], answer: dict[str, Any]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Run the tool and answer what it asks in the middle; return its result and the leads shown."""
    handle = await use(client, "contact_leads", **request)
    asked = handle["input_required"]
    assert asked["hook"] == "approval"
    assert asked["payload"]["message"] == request["message"]
    taken = await use(client, "take_event", event_id=asked["event_id"])
    await reply(client, taken, answer)
    ended = await end_of(client, handle["call_id"])
    return ended["result"], asked["payload"]["leads"]

"""Claude reads long price lists in pages, compares them with ours, and the team hears of it."""

import json
from typing import Any

from mcp.client import Client

from tests.claude import use
from tests.gallery.stage import Scene, reply, take


async def play(scene: Scene) -> None:
    started = await scene.trigger("examples/competitive-intel/review", {})
    assert started == {"message": "Workflow was started"}
    findings: list[dict[str, Any]] = []
    async with scene.claude() as client:
        taken = await take(client, "weekly-review")
        assert taken["payload"]["competitors"] == ["brightdesk", "plankworks"]
        for competitor in taken["payload"]["competitors"]:
            rows = await rows_of(client, competitor)
            ours = await use(client, "our_prices", skus=[row["sku"] for row in rows])
            prices = {row["sku"]: row["price"] for row in ours["prices"]}
            findings += [
                {
                    "competitor": competitor,
                    "sku": row["sku"],
                    "their_price": row["price"],
                    "our_price": prices[row["sku"]],
                    "until": row["ends_on"],
                }
                for row in rows
                if row["price"] <= prices.get(row["sku"], 0) * 0.95
            ]
        await reply(client, taken, {"summary": "Three offers end on Sunday.", "findings": findings})
    (message,) = await scene.once_received("chat/channels/pricing/messages")
    assert message == {"text": "Three offers end on Sunday.", "findings": findings}
    assert [each["competitor"] for each in findings] == ["brightdesk"] * 2 + ["plankworks"]


async def rows_of(client: Client, competitor: str) -> list[dict[str, Any]]:
    """Read a price list to its end, as Claude does where it comes in pages."""
    told = await use(client, "competitor_prices", competitor=competitor)
    if "partial" in told:
        full = await text_of(client, told["call_id"], response_format="detailed")
        trimmed = await text_of(client, told["call_id"])
        assert "null" not in trimmed
        assert len(trimmed) < 0.6 * len(full)
        told = json.loads(trimmed)
    rows: list[dict[str, Any]] = told["rows"]
    return rows


async def text_of(client: Client, call_id: str, **options: str) -> str:
    """Read a long result in pages; return its text."""
    text, offset = "", 0
    while offset is not None:
        page = await use(client, "read_call", call_id=call_id, offset=offset, **options)
        text += page["result"]
        offset = page["next_offset"]
    return text

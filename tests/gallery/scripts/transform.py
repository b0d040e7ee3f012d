"""A text becomes a record that the schema and the workflow allow, after Claude has mended it."""

import asyncio
from typing import Any

from mcp.client import Client

from tests.claude import sentence, use
from tests.gallery.stage import Scene, reply, take

PATH = "examples/transform/order"
TEXTS = ["oak standing desks", "mesh office chairs", "acoustic panels in grey", "a cup of tea"]


async def play(scene: Scene) -> None:
    document = scene.sample("order.json")
    async with scene.claude() as client:
        asking = asyncio.create_task(scene.trigger(PATH, document))
        taken = await take(client, "order-text")
        order = await record_of(client)
        claim = {"event_id": taken["event_id"], "lease": taken["lease"]}
        wrong = order | {"total": "EUR 3,658.00", "note": "urgent"}
        refused = await client.call_tool("reply_to_event", {**claim, "reply": wrong})
        assert refused.is_error
        assert "/total" in sentence(refused)
        assert "note" in sentence(refused)
        await reply(client, taken, order)
        assert await asking == {"document_id": "mail-88121", "accepted": True}
        assert scene.received("erp/orders") == [order]

        # What no schema can say, the workflow checks.
        asking = asyncio.create_task(scene.trigger(PATH, document | {"id": "mail-88122"}))
        await reply(client, await take(client, "order-text"), order | {"total": 3000})
        refusal = {"accepted": False, "reason": "the lines come to 3658.00, not 3000.00"}
        assert await asking == {"document_id": "mail-88122", **refusal}
        assert scene.received("erp/orders") == [order]


async def record_of(client: Client) -> dict[str, Any]:
    """Return the order as Claude makes it of the text and of what the catalogue has."""
    found = (await use(client, "look_up_products", descriptions=TEXTS))["products"]
    assert [product["sku"] for product in found] == ["DK-104", "CH-210", "PN-330", None]
    lines = [
        {"sku": product["sku"], "quantity": quantity, "unit_price": product["unit_price"]}
        for product, quantity in zip(found[:3], (4, 12, 2), strict=True)
    ]
    globex = {"name": "Globex Nederland B.V.", "country": "NL", "vat_id": "NL812345678B01"}
    return {
        "order_number": "PO-20417",
        "ordered_on": "2026-11-12",
        "customer": globex,
        "currency": "EUR",
        "lines": lines,
        "total": 3658.0,
        "questions": ["Can it be delivered to the second floor?"],
    }

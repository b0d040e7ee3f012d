"""A ticket is answered with what a tool tells of its sender, and the note is in the help desk."""

import asyncio

from tests.claude import use
from tests.gallery.stage import Scene, reply, take


async def play(scene: Scene) -> None:
    ticket = scene.sample("ticket.json")
    asking = asyncio.create_task(scene.trigger("examples/n8n/ticket", ticket))
    async with scene.claude() as client:
        taken = await take(client, "ticket")
        assert taken["payload"]["subject"] == ticket["subject"]

        stranger = await use(client, "find_customer", email="nobody@acme.test")
        assert stranger == {"found": False}
        found = await use(client, "find_customer", email=taken["payload"]["from"])
        assert (found["customer"]["name"], found["customer"]["plan"]) == ("Ann Archer", "team")
        await use(client, "tag_customer", customer_id=found["customer"]["id"], tag="churn-risk")

        draft = f"Hello {found['customer']['name']}, we have paid the second charge back."
        await reply(client, taken, {"category": "billing", "draft": draft})
    assert await asking == {"ticket": "T-1042", "noted": True}
    assert scene.received("crm/customers/C-7/tags") == [{"tag": "churn-risk"}]
    (note,) = scene.received("helpdesk/tickets/T-1042/notes")
    assert note == {"category": "billing", "note": draft}

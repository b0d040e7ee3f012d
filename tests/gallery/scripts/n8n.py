"""A ticket is answered with what a tool tells of its sender, and the note is in the help desk."""

from tests.claude import use
from tests.gallery.stage import Scene, reply, take


async def play(scene: Scene) -> None:
    ticket = scene.sample("ticket.json")
    started = await scene.trigger("examples/n8n/ticket", ticket)
    assert started == {"message": "Workflow was started"}
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
    assert scene.received("crm/customers/C-7/tags") == [{"tag": "churn-risk"}]
    (note,) = await scene.once_received("helpdesk/tickets/T-1042/notes")
    assert note == {"category": "billing", "note": draft}

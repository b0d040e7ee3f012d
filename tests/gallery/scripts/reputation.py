"""Mentions wake whoever listens, come once for each thread, and are in the CRM in the end."""

from mcp.client.subscriptions import ResourceUpdated

from bridge.mcp.event_pushes import METHOD
from tests.claude import use
from tests.gallery.stage import Scene, reply, take
from tests.stdio_program import stdio_here

INBOX = "event://reputation/mention"


async def play(scene: Scene) -> None:
    environ = scene.bridge.environ
    async with (
        scene.claude() as client,
        client.listen(resource_subscriptions=[INBOX]) as news,
        stdio_here(environ, "--channel", server=scene.example.name) as claude_code,
    ):
        await claude_code.shake_hands()
        sent = await scene.trigger("examples/reputation/mentions", scene.sample("mentions.json"))
        assert sent == {"sent": ["queued"] * 4}
        assert await anext(aiter(news)) == ResourceUpdated(INBOX)
        pushed = await claude_code.told(METHOD)

        judged = {}
        for _ in range(2):
            taken = await take(client, "mention")
            judged[taken["event_id"]] = taken
            mention = taken["payload"]
            is_urgent = mention["reach"] > 1000 and "not answered" in mention["text"]
            case = await use(
                client,
                "record_mention",
                mention_id=mention["mention_id"],
                sentiment="complaint" if is_urgent else "praise",
                urgency="today" if is_urgent else "none",
                summary=mention["text"][:280],
            )
            assert case["mention_id"] == mention["mention_id"]
            await reply(client, taken, {"recorded": True})
        assert pushed["meta"]["event_id"] in judged
        assert [each.get("merged") for each in judged.values()] == [1, None]
        nothing_more = await use(client, "take_event", hook="mention")
        assert nothing_more["event_id"] is None
    (complaint,) = scene.received("crm/mentions/m-303")
    assert (complaint["sentiment"], complaint["urgency"]) == ("complaint", "today")
    (praise,) = scene.received("crm/mentions/m-302")
    assert praise["urgency"] == "none"

"""A push refreshes the index; a question is answered from lines that were read, and cited."""

import asyncio

from tests.claude import sentence, use
from tests.gallery.stage import Scene, reply, take

ASK, PUSH = "examples/coderag/question", "examples/coderag/push"


async def play(scene: Scene) -> None:
    async with scene.claude() as client:
        await scene.trigger(PUSH, scene.sample("push.json"))
        pushed = await take(client, "pushed")
        assert pushed["payload"] == {"branch": "main", "commits": ["Warn of low water earlier"]}
        index = await use(client, "refresh_index")
        assert index["files"] == 6
        await reply(client, pushed, {"files": index["files"]})

        question = scene.sample("question.json")
        asking = asyncio.create_task(scene.trigger(ASK, question))
        taken = await take(client, "question")
        found = (await use(client, "search_code", query=taken["payload"]["question"]))["found"]
        best = found[0]
        assert best["symbol"] == "Why a berth may stay empty"
        why = await use(client, "read_chunk", citation=best["citation"])
        assert "measured against the lowest water of its stay" in why["text"]
        found = (await use(client, "search_code", query="assign_berth", paths="src/*"))["found"]
        assert found[0]["symbol"] == "Harbour.assign_berth"
        code = await use(client, "read_chunk", citation=found[0]["citation"])
        assert "raise NoBerthError(ship)" in code["text"]
        citations = [why["citation"], code["citation"]]
        answer = {
            "answer": "It is the lowest water of the stay that counts.",
            "citations": citations,
        }
        await reply(client, taken, answer)
        assert await asking == {**answer, "can_be_checked": True}

        # What .gitignore names is not found, and cannot be read.
        hits = (await use(client, "search_code", query="generated"))["found"]
        assert not [hit for hit in hits if hit["citation"].startswith("build/")]
        refused = await client.call_tool("read_chunk", {"citation": "build/generated.py:1-1"})
        assert refused.is_error
        assert "is not in the index" in sentence(refused)

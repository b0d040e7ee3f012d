"""A document that n8n receives is read and filed; a long one tells how far it is."""

import asyncio
import base64
import json
from runpy import run_path
from typing import Any

from mcp.client import Client

from tests.claude import sentence, use
from tests.gallery.stage import Scene, reply, take
from tests.journeys import end_of
from tests.waiting import wait_until

PATH = "examples/docparse/document"
LONG = 120


async def play(scene: Scene) -> None:
    request = scene.sample("request.json")
    async with scene.claude() as client:
        asking = asyncio.create_task(scene.trigger(PATH, request))
        taken = await take(client, "document-received")
        url = taken["payload"]["url"]
        assert (await use(client, "describe_document", url=url))["pages_total"] == 4
        document = await parsed(client, url=url, pages="2-3")
        antwerp, valencia = document["pages"]
        assert antwerp["headings"] == ["2. Antwerp"]
        assert "handled 2004 containers in the last quarter" in antwerp["text"]
        header, *_, last = valencia["tables"][0]["rows"]
        values = [("2004", 2), (dict(zip(header, last, strict=True))["Delayed"], 3)]
        figures = [
            {"name": name, "value": value, "page": page}
            for name, (value, page) in zip(request["wanted"], values, strict=True)
        ]
        record = {"title": document["metadata"]["Title"], "pages_total": 4, "figures": figures}
        await reply(client, taken, record)
        assert await asking == {"filed": True}
        assert scene.received("archive/records") == [{"url": url, **record}]
        assert figures[1]["value"] == "43"

        # The PDFs in the folder, and the one that cannot be read.
        paths = (await use(client, "list_documents"))["paths"]
        assert "terminals.pdf" in paths
        locked = await client.call_tool("describe_document", {"path": "locked.pdf"})
        assert locked.is_error
        assert "is encrypted: send one without a password" in sentence(locked)

        # A long one: Claude gets a handle, sees pages pass, and fetches what it wants.
        report = run_path(str(scene.example.folder / "make_samples.py"))["report"]
        content = base64.b64encode(report(LONG)).decode()
        handle = await use(client, "parse_document", content_base64=content)
        call_id = handle["call_id"]
        seen: set[str] = set()

        async def is_read() -> bool:
            call = await use(client, "read_call", call_id=call_id)
            seen.add(call.get("message", ""))
            return bool(call["status"] == "succeeded")

        await wait_until(is_read, "a long document is read", 60)
        assert len({message for message in seen if message.endswith(f" of {LONG}")}) > 1
        text = ""
        offset: int | None = 0
        while offset is not None:
            part = await use(client, "read_call", call_id=call_id, offset=offset)
            text += part["result"]
            offset = part.get("next_offset")
        assert len(json.loads(text)["pages"]) == LONG


async def parsed(client: Client, **arguments: Any) -> dict[str, Any]:
    """Parse a document, and come back for the result where it takes longer than a second."""
    told = await use(client, "parse_document", **arguments)
    if "call_id" not in told:
        return told
    result: dict[str, Any] = (await end_of(client, told["call_id"]))["result"]
    return result

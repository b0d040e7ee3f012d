"""A poor page is held with what to mend, a good one is published, and a site is compared."""

import asyncio
from typing import Any

from mcp.client import Client

from tests.claude import use
from tests.gallery.stage import Scene, reply, take

PATH = "examples/seo/draft"


async def play(scene: Scene) -> None:
    draft = scene.sample("draft.json")
    async with scene.claude() as client:
        held = await answered(scene, client, draft)
        assert held["published"] is False
        assert (
            held["todo"][0]
            == "search engines are told noindex: take it out if the page shall be found"
        )
        assert any("timetable-2019 answers 404" in task for task in held["todo"])

        home = {"id": "page-1", "url": draft["url"].removesuffix("timetable")}
        assert (await answered(scene, client, home))["published"] is True
        assert [page["id"] for page in scene.received("cms/published")] == ["page-1"]

        site = await use(client, "audit_site", url=home["url"])
        assert len(site["pages"]) == 3
        assert site["pages"][0]["url"].endswith("/timetable")
        shared = [f for p in site["pages"] for f in p["findings"] if f["check"] == "duplicates"]
        assert len(shared) == 4
        assert site["skipped"][0]["url"].endswith("/timetable-2019")


async def answered(scene: Scene, client: Client, draft: dict[str, Any]) -> dict[str, Any]:
    """Have a page audited; return what the workflow answers to the CMS."""
    asking = asyncio.create_task(scene.trigger(PATH, draft))
    taken = await take(client, "page-drafted")
    audit = await use(client, "audit_page", url=taken["payload"]["url"])
    errors = [f["detail"] for f in audit["findings"] if f["severity"] == "error"]
    is_good = not errors and audit["score"] >= taken["payload"]["score_min"]
    verdict = "publish" if is_good else "hold"
    await reply(client, taken, {"verdict": verdict, "score": audit["score"], "todo": errors})
    told: dict[str, Any] = await asking
    return told

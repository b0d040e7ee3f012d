"""Facts that n8n wants are found on a site, one page after the other, and come into a sheet."""

import asyncio

from tests.claude import sentence, use
from tests.gallery.stage import Scene, reply, take

PATH = "examples/scraper/facts"


async def play(scene: Scene) -> None:
    request = scene.sample("request.json")
    async with scene.claude() as client:
        asking = asyncio.create_task(scene.trigger(PATH, request))
        taken = await take(client, "facts-wanted")
        site = taken["payload"]["site"]
        crawled = await use(client, "crawl_site", url=site)
        pages = {page["title"].partition(" ")[0]: page["url"] for page in crawled["pages"]}
        assert pages.keys() == {"Pier", "Lanterns", "Ropes", "Delivery"}
        skipped = {skip["url"].rpartition("/")[2] for skip in crawled["skipped"]}
        assert skipped == {"sale", "terms.pdf"}

        lanterns = await use(client, "scrape_page", url=pages["Lanterns"])
        (storm,) = [row for row in lanterns["tables"][0]["rows"] if row[0] == "Storm lantern"]
        assert lanterns["structured_data"][0]["offers"]["price"] == "64.00"
        delivery = await use(client, "scrape_page", url=pages["Delivery"])
        assert "after 3 working days" in delivery["text"]
        ropes = await use(client, "scrape_page", url=pages["Ropes"])
        assert ropes["text"].splitlines()[-3:] == [
            "- Hemp, 12 mm",
            "- Polyester, 10 mm",
            "Delivery",
        ]

        facts = [
            {"name": request["wanted"][0], "value": storm[2], "url": pages["Lanterns"]},
            {"name": request["wanted"][1], "value": "3", "url": pages["Delivery"]},
        ]
        not_found = request["wanted"][2:]
        await reply(client, taken, {"facts": facts, "not_found": not_found})
        assert await asking == {"rows": 2, "not_found": not_found}
        assert scene.received("sheet/rows") == [{"rows": facts}]

        # The bridge's own machine is no web site.
        refused = await client.call_tool("scrape_page", {"url": f"{scene.bridge.webs[0].url}/"})
        assert refused.is_error
        assert "is not on the public internet" in sentence(refused)

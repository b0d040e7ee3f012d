"""Bulk acts in the console: from the filter of a list to its count, and to what was done."""

import re

from bridge.configuration.settings import Settings
from tests.doors.console.operating import VIEWER, Desktop, desktop
from tests.doors.console.posting import post
from tests.waiting import wait_until
from tests.working import working

CHOSEN = "?server=desk&status=dead&of=events"


async def counted(desk: Desktop, **form: str) -> str:
    """Count the dead events; returns the page where they are confirmed."""
    wish = {"of": "events", "act": "redrive", "server": "desk", "status": "dead"}
    answer = await post(desk, "/bulk", wish | form, f"/bulk{CHOSEN}")
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].removeprefix("/console")


async def test_what_a_list_shows_is_acted_on_once_the_count_is_typed(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        for number in range(2):
            await desk.send(number)
        dead = [await desk.set_aside() for _ in range(2)]
        await desk.send("later")
        await desk.log_in()
        links = re.findall(r'href="/console(/bulk[^"]*)"', await desk.show("/events?status=dead"))
        assert "/bulk?status=dead&amp;of=events" in links
        page = await desk.show(f"/bulk{CHOSEN}")
        assert re.findall(r"<option>([\w-]+)</option>", page) == ["redrive", "run-again"]
        bulk = await counted(desk)
        page = await desk.show(bulk)
        assert "Type 2 to redrive these events" in page
        assert "hx-get" not in page.partition("<main")[2]
        wrong = await post(desk, f"{bulk}/confirm", {"count": "3"}, bulk)
        assert (wrong.status_code, "2 were counted, not 3" in wrong.text) == (409, True)
        await post(desk, f"{bulk}/confirm", {"count": "2"}, bulk)
        page = await desk.show(bulk)
        assert "waits for a worker" in page
        assert f'hx-get="/console{bulk}"' in page

        async def is_done() -> bool:
            return '<span class="status done">done</span>' in await desk.show(bulk)

        async with working(Settings(redis_url=redis_url)):
            await wait_until(is_done, "the bulk act is done")
        listed = await desk.show(f"/events?bulk={bulk.removeprefix('/bulk/')}")
        assert set(re.findall(r'id="(evt_[\w-]+)"', listed)) == set(dead)
        assert bulk in await desk.show("/bulk")


async def test_it_is_stopped_and_a_wrong_form_is_a_fault(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        await desk.send(1)
        await desk.set_aside()
        await desk.log_in()
        bulk = await counted(desk)
        assert (await post(desk, f"{bulk}/confirm", {"count": "x"}, bulk)).status_code == 400
        await post(desk, f"{bulk}/confirm", {"count": "1"}, bulk)
        await desk.act(bulk, "stop")
        page = await desk.show(bulk)
        assert '<span class="status stopped">stopped</span>' in page
        assert "by operator" in page
        for form in ({"act": "none"}, {"of": "letters"}, {"limit": "0"}, {"limit": "many"}):
            wish = {"of": "events", "act": "redrive"} | form
            assert (await post(desk, "/bulk", wish, f"/bulk{CHOSEN}")).status_code == 400
        await desk.show("/bulk/bulk_none", 404)


async def test_a_viewer_looks_and_counts_nothing(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        await desk.send("secret")
        await desk.set_aside()
        await desk.log_in()
        bulk = await counted(desk, q="secret")
        assert "secret" in await desk.show(bulk)
        await desk.log_in(VIEWER)
        page = await desk.show(bulk)
        assert "secret" not in page
        assert "Type 1" not in page
        assert "Act on all" not in await desk.show("/events?status=dead")
        assert "A viewer changes nothing" in await desk.show(f"/bulk{CHOSEN}")
        refused = await post(desk, "/bulk", {"of": "events", "act": "redrive"}, f"/bulk{CHOSEN}")
        assert refused.status_code == 403

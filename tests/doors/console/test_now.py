"""The console's first page: how things stand, what is wrong, and what the last hour brought."""

import asyncio
import html
import re
from typing import Any

from redis.asyncio import Redis

from bridge.ending import end
from bridge.local.ports import free_port
from bridge.store.alerts import AlertReading, AlertStore
from bridge.store.keys import PREFIX
from bridge.verbs.findings import Findings
from tests.doors.console.operating import Desktop, desktop
from tests.waiting import wait_until


def standing(page: str) -> dict[str, str]:
    """Return the numbers of the moment by what they count."""
    return dict(
        re.findall(r"<div><dt>(?:<a [^>]+>)?([^<]+)(?:</a>)?</dt><dd>([^<]+)</dd></div>", page)
    )


async def keep_a_minute(redis_url: str, desk: Desktop, ago: int, **rises: int) -> None:
    """Write what a minute brought, as the sweeper would."""
    minute = await desk.door.runtime.stores.minutes.now() - ago
    named: dict[Any, Any] = {name.replace("__", "|"): rise for name, rise in rises.items()}
    async with Redis.from_url(redis_url) as redis:
        await redis.hset(f"{PREFIX}minute:{minute}", mapping=named)
        await redis.expire(f"{PREFIX}minute:{minute}", 600)


async def test_the_first_page_tells_what_waits_and_runs(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        for number in range(4):
            await desk.send(number)
        await desk.set_aside()
        await desk.take()
        await desk.call()
        await desk.log_in()
        page = await desk.show("")
        told, links = standing(page), re.findall(r'<dt><a href="/console(/[^"]+)"', page)
        for link in links:
            await desk.show(html.unescape(link))
    assert len(links) == 6
    assert told["events queued"] == "2"
    assert (told["events leased"], told["events dead"], told["calls waiting"]) == ("1", "1", "1")
    assert (told["web processes"], told["worker processes"], told["sessions"]) == ("1", "0", "0")
    assert told["oldest queued"] != "none"


async def test_what_is_wrong_stands_there_with_its_remedy_and_a_way_to_it(redis_url: str) -> None:
    n8n = "http://127.0.0.1:5678"
    async with desktop(redis_url, n8n_url=n8n) as desk:
        await desk.log_in()
        page = await desk.show("")
        assert "No worker is alive" in page
        assert "set aside" not in page
        await desk.send({})
        await desk.set_aside()
        await desk.send({}, **{"bridge-reply-url": f"{n8n}/webhook-waiting/7"})
        await desk.dead_reply()
        page = await desk.show("")
        assert "Events are set aside (1)" in page
        assert "Replies are dead" in page
        assert 'href="/console/events?status=dead"' in page


async def test_a_look_that_is_cut_short_leaves_nothing_running(redis_url: str) -> None:
    async with desktop(redis_url, n8n_url="http://127.0.0.1:5678") as desk:
        web = desk.door.runtime.web
        findings = Findings.of(desk.door.runtime.steps, web.settings, web.servers)
        await findings.look()
        before = asyncio.all_tasks()
        for turns in range(12):
            looking = asyncio.create_task(findings.look())
            for _ in range(turns):
                await asyncio.sleep(0)
            await end(looking)
            assert asyncio.all_tasks() <= before, turns


async def test_what_alerts_tell_people_of_stands_there_too(redis_url: str) -> None:
    said = '{"sentence": "an event has waited for an hour", "remedy": "connect a client"}'
    reading = AlertReading("waits", "desk/letters", "alt_1", True, 0, 0, ("people",), 1, said)
    async with desktop(redis_url) as desk:
        alerts = AlertStore(desk.door.runtime.steps, desk.door.runtime.process)
        await alerts.lead()
        await alerts.judge([reading], [])
        await desk.log_in()
        page = await desk.show("")
    assert "The alert waits fires since" in page
    assert "an event has waited for an hour" in page
    assert "Connect a client" in page or "connect a client" in page


async def test_charts_tell_of_an_hour_and_of_a_day(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        await keep_a_minute(
            redis_url, desk, 2, queue__desk__letters__9=7, lease__desk__letters__9=5
        )
        await keep_a_minute(redis_url, desk, 200, queue__desk__letters__9=30)
        await keep_a_minute(redis_url, desk, 3, ended__desk__stamp__failed__1__12=2)
        await keep_a_minute(redis_url, desk, 3, events__desk__letters__queued=11)
        await desk.log_in()
        hour, day = await desk.show(""), await desk.show("?window=day")
    assert "The last hour" in hour
    assert "11 queued" in hour
    assert "5 answered + 0 dead + 0 expired" in hour
    assert "0 succeeded + 2 failed" in hour
    assert "The last 24 hours" in day
    for page in (hour, day):
        assert page.count("<svg") == 6
        assert "NaN" not in page


async def test_what_doctor_finds_wrong_stands_there_with_its_remedy_and_age(redis_url: str) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    async with desktop(redis_url, n8n_url=nowhere) as desk:
        await desk.log_in()
        first = await desk.show("")

        async def was_looked_at() -> bool:
            return "were looked at" in await desk.show("")

        await wait_until(was_looked_at, "the first look")
        page = await desk.show("")
        others = await desk.show("")
    assert "for the first time" in first
    assert "it cannot be reached: nothing listens there" in page
    assert "Start n8n, or mend BRIDGE_N8N_URL" in page
    assert "ago, as <code>n8n-bridge doctor</code> does" in others


async def test_one_of_all_who_open_the_page_looks_and_not_again_within_half_a_minute(
    redis_url: str,
) -> None:
    async with desktop(redis_url) as desk:
        web = desk.door.runtime.web
        findings = Findings.of(desk.door.runtime.steps, web.settings, web.servers)
        asked = [await findings.last() for _ in range(3)]
        assert [each.is_due for each in asked] == [True, False, False]
        await findings.look()
        assert not (await findings.last()).is_due
        async with Redis.from_url(redis_url) as redis:
            await redis.delete(f"{PREFIX}findings_turn")
            await redis.hincrby(f"{PREFIX}findings", "at", -31_000)
        assert (await findings.last()).is_due

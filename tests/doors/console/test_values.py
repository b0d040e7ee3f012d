"""Long payloads, shown a part at a time: whole, bounded, and without secrets."""

import html
import re
from typing import Any

import pytest

from bridge.console.values import READ_BYTES
from tests.doors.console.operating import VIEWER, Desktop, desktop

LONGEST_PAGE = 6 * READ_BYTES


async def walk(desk: Desktop, path: str, wanted: str) -> int:
    """Follow each `show more` until a text is there; return how many pages that took."""
    paths, seen = [path], set[str]()
    while paths:
        seen.add(path := paths.pop())
        page = await desk.show(path)
        assert len(page) < LONGEST_PAGE
        if wanted in page:
            return len(seen)
        links = map(html.unescape, re.findall(r'href="/console([^"]+)">show more', page))
        paths += [link for link in links if link not in seen]
    raise AssertionError(f"{wanted} is on no page")


@pytest.mark.parametrize(
    "payload",
    [
        [{"id": number, "text": "x" * 80} for number in range(4000)] + ["the end"],
        {"rows": [[number] * 20 for number in range(900)], "last": "the end"},
        {f"name {number}/~": "y" * 90 for number in range(3000)} | {"last": "the end"},
        {"a": {"b": ["z" * 3 * READ_BYTES + " the end"]}},
        "é" * 2 * READ_BYTES + " the end",
    ],
    ids=["list", "within", "object", "text", "nothing but text"],
)
async def test_every_part_of_a_long_payload_can_be_reached(redis_url: str, payload: Any) -> None:
    async with desktop(redis_url) as desk:
        event_id = await desk.send(payload)
        await desk.log_in()
        assert await walk(desk, f"/events/{event_id}", "the end") > 1


async def test_no_number_of_a_long_payload_is_shortened(redis_url: str) -> None:
    exact, beyond = "0.12345678901234567890123", "123456789012345678901234567890.5"
    payload = f'{{"exact": {exact}, "pad": "{"x" * READ_BYTES}", "beyond": {beyond}}}'
    async with desktop(redis_url) as desk:
        event_id = await desk.send_raw(payload.encode())
        await desk.log_in()
        assert exact in await desk.show(f"/events/{event_id}")
        assert beyond in await desk.show(f"/events/{event_id}/values/payload?at=&after=pad")


async def test_no_part_shows_a_secret(redis_url: str) -> None:
    secret = "not-to-be-shown"
    payload = {
        "password": {"of": ["x" * READ_BYTES, secret]},
        "log": "x" * (READ_BYTES - 5) + f" Bearer {secret}1" + "y" * READ_BYTES,
    }
    async with desktop(redis_url) as desk:
        event_id = await desk.send(payload)
        await desk.log_in()
        values = f"/events/{event_id}/values/payload"
        for query in ("", "at=/password", "at=/password/of", "at=/password/of/1", "at=/log"):
            assert secret not in await desk.show(f"{values}?{query}"), query
        assert secret not in await desk.show(f"{values}?at=/password/of&after=0")
        for offset in (0, READ_BYTES - 2, READ_BYTES, READ_BYTES + 5):
            assert secret not in await desk.show(f"{values}?at=/log&offset={offset}")


async def test_what_is_not_there_and_what_a_viewer_may_not_see_is_no_page(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        event_id = await desk.send({"a": [1], "t": "text"})
        await desk.log_in()
        values = f"/events/{event_id}/values"
        for path in ("payload?at=/b", "payload?at=b", "payload?at=/a&after=7", "answer", "none"):
            await desk.show(f"{values}/{path}", 404)
        for number in ("9" * 25, "9" * 5000):
            await desk.show(f"{values}/payload?at=/a&after={number}", 404)
            await desk.show(f"{values}/payload?at=/t&offset={number}")
        await desk.log_in(VIEWER)
        assert "Viewers are shown no payloads" in await desk.show(f"{values}/payload", 403)

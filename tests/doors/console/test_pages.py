"""The console's lists and pages: what they show to whom, and what their forms do."""

import logging
import re

import pytest

from bridge.console.listing import ROWS
from bridge.console.values import READ_BYTES
from tests.doors.console.operating import VIEWER, acts, desktop
from tests.doors.console.posting import post

N8N = "http://127.0.0.1:5678"
HOSTILE = "</td><script src=//evil.example></script><img src=x onerror=alert(1)>{{7*7}}"


def ids(page: str) -> list[str]:
    """Return the ids of the records that a list shows, in its order."""
    return re.findall(r'<a class="id" id="([\w-]+)"', page)


async def test_events_are_listed_newest_first_and_filtered(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        first = await desk.send({"about": "plans"})
        second = await desk.send({"about": "prices"})
        dead = await desk.set_aside()
        await desk.log_in()
        assert dead == first
        assert ids(await desk.show("/events")) == [second, first]
        for query, found in {
            "q=PRICES": [second],
            f"q={first}": [first],
            "status=dead": [first],
            "status=queued": [second],
            "status=queued&since=2001-01-31T12:00:00Z": [second],
            "server=desk&hook=letters": [second, first],
            "principal=alice": [first],
            "since=1h": [second, first],
            "until=2001-01-01T00:00": [],
        }.items():
            assert ids(await desk.show(f"/events?{query}")) == found, query


async def test_a_wrong_filter_is_a_fault_that_says_what_there_is(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        await desk.log_in()
        assert "there are: desk" in await desk.show("/events?server=none", 404)
        assert "there are: queued, leased" in await desk.show("/events?status=none", 400)
        assert "That is no time" in await desk.show("/events?since=soon", 400)
        assert "no cursor" in await desk.show("/events?before=x", 400)


async def test_a_list_that_is_found_at_once_follows_what_comes_in(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        await desk.log_in()
        page = await desk.show("/events")
        assert 'hx-get="/console/events?"' in page
        assert "is not followed" not in page


@pytest.mark.parametrize("kind", ["events", "replies"])
async def test_a_piece_of_a_list_has_what_its_page_has_no_row_of_yet(
    redis_url: str, kind: str
) -> None:
    async with desktop(redis_url, n8n_url=N8N) as desk:
        for number in range(3):
            await desk.send(number, **{"bridge-reply-url": f"{N8N}/webhook-waiting/{number}"})
            await desk.dead_reply()
        await desk.log_in()
        whole = ids(await desk.show(f"/{kind}"))
        piece = await desk.show(f"/{kind}?before=9999999999999999&shown={ROWS - 2}")
        assert ids(piece) == whole[:2]
        assert f"{ROWS} shown" in piece
        assert "hx-get" not in piece
        assert "there are: desk" in await desk.show(f"/{kind}?server=none&before=9&shown=2")


async def test_older_pages_go_on_where_the_newer_ended_whatever_comes_meanwhile(
    redis_url: str,
) -> None:
    async with desktop(redis_url) as desk:
        sent = [await desk.send(number) for number in range(ROWS + 3)]
        await desk.log_in()
        newest = await desk.show("/events?server=desk")
        await desk.send("later")
        older = re.search(r'href="/console(/events\?[^"]+)" rel="next"', newest)
        assert older
        page = await desk.show(older[1].replace("&amp;", "&"))
        assert ids(newest) + ids(page) == sent[::-1]
        assert 'rel="next"' not in page
        assert "hx-get" not in page


async def test_an_events_page_tells_its_way_through_n8n_and_claude(redis_url: str) -> None:
    async with desktop(redis_url, n8n_url=N8N) as desk:
        event_id = await desk.send({"a": 1}, **{"idempotency-key": "n8n_aBc9_41_0"})
        await desk.take()
        call_id = await desk.call()
        await desk.log_in()
        page = await desk.show(f"/events/{event_id}")
        order = [
            f'href="{N8N}/workflow/aBc9/executions/41"',
            "taken",
            f"/calls/{call_id}",
        ]
        timeline = page.partition('class="timeline"')[2]
        assert [timeline.index(what) for what in order] == sorted(map(timeline.index, order))
        assert f"/events/{event_id}" in await desk.show(f"/calls/{call_id}")


async def test_unknown_records_are_pages_that_say_so(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        unanswered = await desk.send({})
        await desk.log_in()
        for page in ("/events/evt_x", "/calls/call_x", "/replies/evt_x", f"/replies/{unanswered}"):
            assert "No such" in await desk.show(page, 404)


async def test_what_a_stranger_sends_is_text_on_every_page(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        event_id = await desk.send({HOSTILE: [HOSTILE]})
        call_id = await desk.call(arguments=b'{"letter": "<script>x"}')
        await desk.log_in()
        for path in ("/events", f"/events/{event_id}", f"/calls/{call_id}", f"/events?q={HOSTILE}"):
            page = await desk.show(path)
            assert "<script>" not in page
            assert "evil.example></script>" not in page
            assert "<img" not in page
        page = await desk.show(f"/events/{event_id}")
        assert "{{7*7}}" in page
        assert "&lt;img src=x onerror=alert(1)&gt;" in page


async def test_no_page_shows_a_secret(redis_url: str) -> None:
    address = f"{N8N}/webhook-waiting/7/reply?signature=s3cr3t-signature"
    async with desktop(redis_url, n8n_url=N8N) as desk:
        payload = {
            "resume": address,
            "password": "hunter-two",
            "deep": [{"apiKey": ["hunter-two"]}],
        }
        event_id = await desk.send(payload, **{"bridge-reply-url": address})
        await desk.dead_reply()
        call_id = await desk.call(arguments=b'{"letter": "Bearer hunter-two-99"}')
        await desk.log_in()
        for path in ("/events", "/replies", "/calls", f"/events/{event_id}", f"/calls/{call_id}"):
            page = await desk.show(path)
            assert "s3cr3t" not in page
            assert "hunter-two" not in page
        assert "[secret]" in await desk.show(f"/events/{event_id}")


async def test_viewers_see_no_payload_unless_a_setting_lets_them(redis_url: str) -> None:
    for is_let in (False, True):
        async with desktop(redis_url, viewer_payloads=is_let) as desk:
            event_id = await desk.send({"note": "private matter"})
            call_id = await desk.call(arguments=b'{"letter": "private matter"}')
            await desk.log_in(VIEWER)
            for path in ("/events", f"/events/{event_id}", f"/calls/{call_id}"):
                assert ("private matter" in await desk.show(path)) == is_let, path
            status = 200 if is_let else 400
            await desk.show("/events?q=private", status)
            assert ids(await desk.show(f"/events?q={event_id}")) == [event_id]


async def test_a_long_payload_is_shown_by_its_beginning(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        long = await desk.send(
            {"rows": [{"id": number, "text": "x" * 80} for number in range(9000)]}
        )
        deep = await desk.send([[[[{"deep": "x" * 2 * READ_BYTES}]]]])
        await desk.log_in()
        for event_id in (long, deep):
            page = await desk.show(f"/events/{event_id}")
            assert "this is its beginning" in page
            assert len(page) < 4 * READ_BYTES


async def test_forms_redrive_and_cancel_and_leave_a_line_each(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with desktop(redis_url, n8n_url=N8N) as desk:
        await desk.send({})
        event = await desk.set_aside()
        await desk.send({}, **{"bridge-reply-url": f"{N8N}/webhook-waiting/7/reply"})
        reply = await desk.dead_reply()
        call = await desk.call()
        await desk.log_in()
        with caplog.at_level(logging.INFO, "audit"):
            for path, act in (
                (f"/events/{event}", "redrive"),
                (f"/replies/{reply}", "redrive"),
                (f"/calls/{call}", "cancel"),
            ):
                answer = await desk.act(path, act)
                assert (answer.status_code, answer.headers["location"]) == (303, f"/console{path}")
        assert "queued" in await desk.show(f"/events/{event}")
        assert "pending" in await desk.show(f"/replies/{reply}")
        assert "cancelled by an operator" in await desk.show(f"/calls/{call}")
        assert acts(caplog) == [
            ("operator", "console events redrive", event, "done"),
            ("operator", "console replies redrive", reply, "done"),
            ("operator", "console calls cancel", call, "done"),
        ]


async def test_an_event_is_released_expired_and_run_again_edited(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        event_id = await desk.send({"about": "plans"})
        await desk.take()
        await desk.log_in()
        path = f"/events/{event_id}"
        for act, then in (("release", "queued"), ("expire", "expired")):
            assert (await desk.act(path, act)).status_code == 303
            assert f"status {then}" in await desk.show(path)
        again = await post(desk, f"{path}/run-again", {"json": '{"about": "prices"}'}, path)
        page = await desk.show(again.headers["location"].removeprefix("/console"))
        assert event_id not in again.headers["location"]
        assert "prices" in page


async def test_a_call_is_run_again_and_a_payload_with_a_secret_is_not_to_be_edited(
    redis_url: str,
) -> None:
    async with desktop(redis_url) as desk:
        call_id = await desk.call(arguments=b'{"letter": "Dear bridge"}')
        secret = await desk.send({"password": "hunter-two"})
        await desk.log_in()
        again = await desk.act(f"/calls/{call_id}", "run-again")
        assert again.headers["location"].startswith("/console/calls/call_")
        assert call_id not in again.headers["location"]
        assert "<textarea" in await desk.show(f"/calls/{call_id}")
        assert "<textarea" not in await desk.show(f"/events/{secret}")


async def test_a_hook_is_paused_and_resumed_and_the_first_page_says_so(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        await desk.log_in()
        form = {"place": "desk/letters", "act": "pause", "begun": "release"}
        assert (await post(desk, "/pauses", form, "/servers")).status_code == 303
        assert "desk/letters is paused by operator" in (await desk.show("")).replace("Desk", "desk")
        form = {"place": "desk/letters", "act": "resume"}
        assert (await post(desk, "/pauses", form, "/servers")).status_code == 303
        assert "is paused" not in await desk.show("")
        for wrong, status in (({"act": "pause"}, 404), ({}, 400), ({"begun": "x"}, 400)):
            answer = await post(desk, "/pauses", wrong, "/servers")
            assert answer.status_code == status
            assert '<a href="/console/servers">Back to the list</a>' in answer.text

"""Approving on pages: what waits is shown with its arguments, and decided about once."""

import json
import re

from bridge.store.new_calls import NewApproval
from tests.doors.console.operating import VIEWER, Desktop, desktop
from tests.doors.console.posting import post

TO_APPROVE = NewApproval("digest of what is seen", "console", 3600)


async def asked(desk: Desktop) -> str:
    """Have a call that waits for approval; returns its page."""
    call_id = await desk.call(to_approve=TO_APPROVE, arguments=b'{"letter": "Dear <b>bridge</b>"}')
    return f"/calls/{call_id}"


def standing(page: str) -> str:
    """Return the facts of a call as words."""
    found = re.search(r'<dl class="facts">(.*?)</dl>', page, re.DOTALL)
    assert found
    return " ".join(re.sub(r"<[^>]*>", " ", found[1]).split())


async def test_a_call_that_waits_is_listed_and_approved_on_its_page(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        await desk.log_in()
        assert "No call waits for somebody" in await desk.show("/approvals")
        assert "until somebody approves" not in await desk.show("")
        page = await asked(desk)
        assert f'href="/console{page}"' in await desk.show("/approvals")
        assert "Dear &lt;b&gt;bridge" in await desk.show("/approvals")
        assert "1 call waits until somebody approves" in await desk.show("")

        form = {"digest": TO_APPROVE.digest, "reason": "it is fine"}
        answer = await post(desk, f"{page}/approve", form, page)
        assert answer.headers["location"] == f"/console{page}"
        shown = await desk.show(page)
        assert re.search("Approval approved by operator, .*: it is fine", standing(shown))
        assert f'action="/console{page}/approve"' not in shown
        assert "No call waits for somebody" in await desk.show("/approvals")


async def test_a_refused_call_says_who_and_why(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        await desk.log_in()
        page = await asked(desk)
        form = {"digest": TO_APPROVE.digest, "reason": "<i>no</i>"}
        await post(desk, f"{page}/refuse", form, page)
        shown = await desk.show(page)
        assert "failed refused by operator: &lt;i&gt;no&lt;/i&gt;" in standing(shown)
        assert "<i>no</i>" not in shown


async def test_a_form_that_shows_something_else_changes_nothing(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        await desk.log_in()
        page = await asked(desk)
        for act in ("approve", "refuse"):
            answer = await post(desk, f"{page}/{act}", {"digest": "of another"}, page)
            assert answer.status_code == 409
            assert "not what the call would do" in answer.text
        assert "Approval waiting" in standing(await desk.show(page))


async def test_a_viewer_sees_that_a_call_waits_and_decides_nothing(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        page = await asked(desk)
        await desk.log_in(VIEWER)
        assert "Dear" not in await desk.show("/approvals")
        shown = await desk.show(page)
        assert "Approval waiting" in standing(shown)
        assert f'action="/console{page}/approve"' not in shown
        answer = await post(desk, f"{page}/approve", {"digest": TO_APPROVE.digest}, page)
        assert answer.status_code == 403


async def test_what_is_approved_hides_nothing_and_turns_no_text_around(redis_url: str) -> None:
    hidden = "\u202e\u2066\u200b\x1b"
    async with desktop(redis_url) as desk:
        await desk.log_in()
        arguments = json.dumps({f"to{hidden}": f"ann{hidden}"}).encode()
        call_id = await desk.call(to_approve=TO_APPROVE, arguments=arguments)
        for page in (f"/calls/{call_id}", "/approvals"):
            shown = await desk.show(page)
            assert not set(hidden) & set(shown)
            assert "ann\\u202e\\u2066\\u200b\\u001b" in shown

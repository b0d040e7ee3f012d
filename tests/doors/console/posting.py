"""Forms posted with what proves that they are of the login's own pages."""

import re

import httpx2

from tests.doors.console.operating import Desktop


async def post(
    desk: Desktop, path: str, form: dict[str, str], shown_at: str = ""
) -> httpx2.Response:
    """Post a form of a page."""
    csrf = re.search(r'name="csrf" value="(\w+)"', await desk.show(shown_at or path))
    assert csrf
    return await desk.browser.post(f"/console{path}", data={"csrf": csrf[1], **form})

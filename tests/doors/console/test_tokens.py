"""Tokens in the console: made once shown, narrowed, listed without themselves, revoked at once."""

import logging
import re

import pytest

from tests.doors.by_hand import authorization
from tests.doors.console.operating import VIEWER, Desktop, acts, desktop
from tests.doors.console.posting import post

HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "tests", "version": "1"},
}


async def made(desk: Desktop, **form: str) -> tuple[str, str]:
    """Make a token by the form; return it and its id."""
    answer = await post(desk, "/tokens", {"server": "desk", **form})
    assert answer.status_code == 200, answer.text
    shown = r"<code>(tok_\w+)</code>, shown this once:</p>\s*<pre[^>]*>(nb_[\w-]+)<"
    found = re.search(shown, answer.text)
    assert found
    return found[2], found[1]


async def is_let_in(desk: Desktop, token: str) -> bool:
    """Report whether a token lets a client in."""
    answer = await desk.browser.post(
        "/mcp/desk",
        json={"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO},
        headers=authorization(token) | {"accept": "application/json, text/event-stream"},
    )
    return answer.status_code != 401


async def test_a_token_is_made_shown_once_lets_in_and_is_revoked(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with desktop(redis_url) as desk:
        await desk.log_in()
        with caplog.at_level(logging.INFO, "audit"):
            token, token_id = await made(desk, name="ann", rights="read", hooks="letters")
            page = await desk.show("/tokens")
            assert token not in page
            assert "read on letters" in page
            assert await is_let_in(desk, token)
            revoked = await post(desk, f"/tokens/{token_id}/revoke", {}, shown_at="/tokens")
            assert revoked.status_code == 303
            assert not await is_let_in(desk, token)
        assert [act for act in acts(caplog) if act[1].startswith("console")] == [
            ("operator", "console tokens add", token_id, "done"),
            ("operator", "console tokens revoke", token_id, "done"),
        ]
        assert token not in caplog.text


async def test_what_is_wrong_with_the_form_is_said_and_makes_nothing(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        await desk.log_in()
        for form, status, said in (
            ({"server": "none", "name": "ann"}, 404, "Choose a server"),
            ({"server": "desk", "name": "an n"}, 400, "The name must be letters"),
            ({"server": "desk", "name": "ann", "expires": "soon"}, 400, "must be a time such as"),
            ({"server": "desk", "name": "ann", "expires": "0"}, 400, "a second at least"),
            ({"server": "desk", "name": "ann", "expires": "0.1ms"}, 400, "a second at least"),
            ({"server": "desk", "name": "ann", "hooks": "none"}, 404, "No hook none here"),
        ):
            answer = await post(desk, "/tokens", form)
            assert answer.status_code == status
            assert said in answer.text
        assert "No token was made" in await desk.show("/tokens")


async def test_viewers_see_who_has_tokens_and_make_none(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        await desk.log_in()
        _, token_id = await made(desk, name="ann")
        await desk.log_in(VIEWER)
        assert token_id in await desk.show("/tokens")
        assert (await post(desk, "/tokens", {"server": "desk", "name": "bob"})).status_code == 403

"""/console stands behind a login: who gets in, for how long, and who sends its forms."""

import hashlib
import logging
import re

import pytest
from pydantic import SecretStr

from bridge.auth.throttle import FAILURES_MAX
from bridge.console.rendering import FILES
from tests.doors.console.operating import OPERATOR, VIEWER, acts, desktop

HTMX = "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"
"""SHA-256 of dist/htmx.min.js in the package htmx.org 2.0.11 of npm."""
PAGES = ["", "/events", "/calls", "/replies", "/events/evt_none", "/calls/call_none"]


async def test_without_a_login_every_page_leads_to_the_form_and_then_to_what_was_asked(
    redis_url: str,
) -> None:
    async with desktop(redis_url) as desk:
        for page in PAGES:
            answer = await desk.browser.get(f"/console{page}")
            assert answer.status_code == 303
            assert answer.headers["location"].startswith("/console/login")
        asked = await desk.browser.get("/console/events?status=dead&q=a%26b")
        form = (await desk.browser.get(asked.headers["location"])).text
        assert '<input type="password"' in form
        found = re.search(r'name="next" value="([^"]*)"', form)
        assert found
        entered = await desk.log_in(next=found[1].replace("&amp;", "&"))
        assert entered.headers["location"] == "/console/events?status=dead&q=a%26b"
        assert (await desk.browser.get(entered.headers["location"])).status_code == 200


@pytest.mark.usefixtures("no_minute_ends")
async def test_a_wrong_token_is_refused_and_too_many_are_braked_but_the_right_one_passes(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with desktop(redis_url) as desk:
        with caplog.at_level(logging.INFO, "audit"):
            for _ in range(FAILURES_MAX):
                answer = await desk.log_in("guess")
                assert (answer.status_code, "no token of this bridge" in answer.text) == (403, True)
            braked = await desk.log_in("guess")
            assert braked.status_code == 429
            assert 0 < int(braked.headers["retry-after"]) <= 60
            assert (await desk.log_in()).status_code == 303
    assert acts(caplog)[0] == ("unknown", "console login", "", "unauthorized")
    assert acts(caplog)[-1] == ("operator", "console login", "", "done")
    assert "guess" not in caplog.text


async def test_a_login_counts_in_every_process_until_the_token_is_another(redis_url: str) -> None:
    async with (
        desktop(redis_url) as desk,
        desktop(redis_url) as elsewhere,
        desktop(redis_url, operator_token=SecretStr("another-token-of-the-tests")) as later,
    ):
        await desk.log_in()
        for there, status in ((desk, 200), (elsewhere, 200), (later, 303)):
            there.browser.cookies = desk.browser.cookies
            assert (await there.browser.get("/console/events")).status_code == status


async def test_a_login_ends_by_itself_by_logging_out_and_when_tampered_with(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desktop(redis_url) as desk:
        entered = await desk.log_in()
        kept = entered.headers["set-cookie"]
        assert re.search("HttpOnly; Max-Age=43200; Path=/console; SameSite=lax$", kept)
        sealed = desk.browser.cookies["bridge-console"]
        for wrong in (sealed[:-2], sealed.replace(".", "x.", 1), ""):
            headers = {"cookie": f"bridge-console={wrong}"}
            assert (await desk.browser.get("/console/events", headers=headers)).status_code == 303
        with monkeypatch.context() as patch:
            patch.setattr("bridge.verbs.logins.LOGIN_S", -1)
            assert (await desk.browser.get("/console/events")).status_code == 303
        out = re.search(r'name="csrf" value="(\w+)"', await desk.show("/events"))
        assert out
        await desk.browser.post("/console/logout", data={"csrf": out[1]})
        assert (await desk.browser.get("/console/events")).status_code == 303


async def test_a_copied_cookie_counts_no_more_after_the_logout_and_others_do(
    redis_url: str,
) -> None:
    async with desktop(redis_url) as desk, desktop(redis_url) as elsewhere:
        await elsewhere.log_in()
        await desk.log_in()
        copied = desk.browser.cookies["bridge-console"]
        same = f"{copied[:-1]}{chr(ord(copied[-1]) + 1)}"  # the last bits of base64 mean nothing

        async def statuses() -> list[int]:
            cookies = [{"cookie": f"bridge-console={sealed}"} for sealed in (copied, same)]
            pages = [await desk.browser.get("/console/events", headers=each) for each in cookies]
            return [page.status_code for page in pages]

        assert await statuses() == [200, 200]
        out = re.search(r'name="csrf" value="(\w+)"', await desk.show("/events"))
        assert out
        await desk.browser.post("/console/logout", data={"csrf": out[1]})
        assert await statuses() == [303, 303]
        assert (await elsewhere.browser.get("/console/events")).status_code == 200


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "@evil.example",
        ".evil.example",
        "/events\r\nset-cookie: a=b",
        "javascript:alert(1)",
    ],
)
async def test_a_login_leads_nowhere_but_into_the_console(redis_url: str, wanted: str) -> None:
    async with desktop(redis_url) as desk:
        answer = await desk.log_in(next=wanted)
        assert answer.status_code == 303
        assert re.match(r"/console(/|$)", answer.headers["location"])
        assert answer.headers.get_list("set-cookie")[0].startswith("bridge-console=")


async def test_forms_count_from_pages_of_the_same_login_alone(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        await desk.send({})
        event_id = await desk.set_aside()
        await desk.log_in()
        path = f"/console/events/{event_id}/redrive"
        page = await desk.show(f"/events/{event_id}")
        own = re.search(r'name="csrf" value="(\w+)"', page)
        assert own
        for form in ({}, {"csrf": ""}, {"csrf": "0" * 64}):
            assert (await desk.browser.post(path, data=form)).status_code == 403
        foreign = {"sec-fetch-site": "cross-site"}
        answer = await desk.browser.post(path, data={"csrf": own[1]}, headers=foreign)
        assert answer.status_code == 403
        answer = await desk.browser.post(
            path, data={"csrf": own[1]}, headers={"origin": "https://evil.example"}
        )
        assert answer.status_code == 403
        nearby = {"origin": "http://localhost:3000"}  # another program of this machine
        for foreign in (nearby, nearby | {"sec-fetch-site": "same-site"}):
            answer = await desk.browser.post(path, data={"csrf": own[1]}, headers=foreign)
            assert answer.status_code == 403
            login = await desk.browser.post(
                "/console/login", data={"token": OPERATOR}, headers=foreign
            )
            assert (login.status_code, "set-cookie" in login.headers) == (403, False)
        here = {"origin": str(desk.browser.base_url).rstrip("/")}
        answer = await desk.browser.post(path, data={"csrf": own[1]}, headers=here)
        assert answer.status_code == 303


async def test_a_viewer_looks_and_changes_nothing(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        await desk.send({})
        event_id = await desk.set_aside()
        await desk.log_in(VIEWER)
        page = await desk.show(f"/events/{event_id}")
        assert "/redrive" not in page
        own = re.search(r'name="csrf" value="(\w+)"', page)
        assert own
        path = f"/console/events/{event_id}/redrive"
        answer = await desk.browser.post(path, data={"csrf": own[1]})
        assert answer.status_code == 403
        assert "A viewer changes nothing" in answer.text


async def test_without_tokens_there_is_no_console_and_it_says_how_to_have_one(
    redis_url: str,
) -> None:
    async with desktop(redis_url, operator_token=None, viewer_token=None) as desk:
        for page in ("", "/login", "/events"):
            assert "set BRIDGE_OPERATOR_TOKEN" in await desk.show(page, 404)
        assert (await desk.log_in("")).status_code == 404


async def test_no_page_is_framed_cached_or_runs_what_is_not_a_file_of_ours(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        pages = [await desk.browser.get("/console/login"), await desk.log_in("guess")]
        await desk.log_in()
        pages += [await desk.browser.get(f"/console{page}") for page in PAGES]
        for page in pages:
            policy = page.headers["content-security-policy"]
            assert "default-src 'self'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert page.headers["cache-control"] == "no-store"
            assert not re.search(r"<script>|<style|\sstyle=|\son\w+=|https?://", page.text)
            for file in re.findall(r'(?:src|href)="(/console/static/[^"]+)"', page.text):
                kept = await desk.browser.get(file)
                assert kept.status_code == 200
                assert "immutable" in kept.headers["cache-control"]
                of_another_version = await desk.browser.get(f"{file.partition('?')[0]}?0123")
                assert of_another_version.headers["cache-control"] == "no-store"
        assert (await desk.browser.get("/console/static/..%2Frendering.py")).status_code == 404


async def test_what_a_page_loads_by_itself_has_the_browser_ask_for_the_login(
    redis_url: str,
) -> None:
    async with desktop(redis_url) as desk:
        answer = await desk.browser.get("/console/events", headers={"hx-request": "true"})
        assert (answer.status_code, answer.headers["hx-refresh"]) == (403, "true")


async def test_the_console_is_found_behind_a_public_path(redis_url: str) -> None:
    public = "https://bridge.example.com/tools/bridge"
    async with desktop(redis_url, public_url=public) as desk:
        desk.browser.base_url = "https://bridge.example.com"
        entered = await desk.browser.post("/console/login", data={"token": OPERATOR})
        assert entered.headers["location"] == "/tools/bridge/console"
        assert "Path=/tools/bridge/console; SameSite=lax; Secure" in entered.headers["set-cookie"]
        for taken_off in ("", "/tools/bridge"):
            sealed = entered.headers["set-cookie"].partition(";")[0]
            page = await desk.browser.get(f"{taken_off}/console/events", headers={"cookie": sealed})
            assert page.status_code == 200
            links = re.findall(r'(?:href|src|action|hx-get)="([^"]+)"', page.text)
            assert {link for link in links if not link.startswith("/tools/bridge/console")} == {
                "#content"
            }


def test_the_vendored_htmx_is_the_one_that_its_package_holds() -> None:
    assert hashlib.sha256(FILES["htmx.min.js"].content).hexdigest() == HTMX

"""Logging in at /console with an issuer: who gets in as what, and what is turned away."""

import contextlib
import logging
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from bridge.auth import issuer as issuer_module
from bridge.auth.throttle import FAILURES_MAX
from tests.doors.console.operating import Desktop, acts, desktop
from tests.openid_provider import ANN, CLIENT_ID, Provider, provider


@pytest.fixture
async def idp() -> AsyncIterator[Provider]:
    """Return the issuer that people log in with."""
    async with provider() as running:
        yield running


@contextlib.asynccontextmanager
async def opened(redis_url: str, idp: Provider, **settings: Any) -> AsyncIterator[Desktop]:
    """Run a bridge whose operators log in with the issuer."""
    viewers = {"console_viewers": ("email=vic@example.com", "realm_access.roles=auditor")}
    tokens = {"operator_token": None, "viewer_token": None}
    async with desktop(redis_url, **(idp.settings | viewers | tokens | settings)) as desk:
        yield desk


async def answered(desk: Desktop, path: str = "/openid") -> httpx2.URL:
    """Begin a login, and let the issuer answer it; return where it sends the browser."""
    left = await desk.browser.get(f"/console{path}")
    assert left.status_code == 303, left.text
    async with httpx2.AsyncClient() as elsewhere:
        answer = await elsewhere.get(left.headers["location"])
    return httpx2.URL(answer.headers["location"])


async def log_in(desk: Desktop, path: str = "/openid") -> httpx2.Response:
    """Log in all the way."""
    return await desk.browser.get(await answered(desk, path))


async def test_an_operator_logs_in_and_comes_to_the_page_that_was_asked_for(
    redis_url: str, idp: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(redis_url, idp) as desk:
        asked = await desk.browser.get("/console/events?status=dead")
        form = (await desk.browser.get(asked.headers["location"])).text
        assert "password" not in form
        assert f"Sign in with {urlsplit(idp.issuer).netloc}" in form
        found = re.search(r'href="/console(/openid[^"]*)"', form)
        assert found
        with caplog.at_level(logging.INFO, "audit"):
            entered = await log_in(desk, found[1].replace("&amp;", "&"))
            assert entered.headers["location"] == "/console/events?status=dead"
            kept = [line for line in entered.headers.get_list("set-cookie") if '=""' not in line]
            assert [re.sub("=[^;]*", "", line, count=1) for line in kept] == [
                "bridge-console; HttpOnly; Max-Age=14400; Path=/console; SameSite=lax"
            ]
            page = await desk.show("/events?status=dead")
            assert "ann@example.com" in page
            csrf = re.search(r'name="csrf" value="(\w+)"', page)
            assert csrf
            await desk.browser.post("/console/logout", data={"csrf": csrf[1]})
    ann = "operator ann@example.com"
    assert acts(caplog) == [
        (ann, "console login", "8f3a", "done"),
        (ann, "console logout", "", "done"),
    ]


@pytest.mark.parametrize(
    ("person", "role"),
    [
        (ANN, "operator"),
        ({"sub": "1", "groups": "bridge-operators"}, "operator"),
        ({"sub": "1", "email": "vic@example.com", "email_verified": True}, "viewer"),
        ({"sub": "1", "realm_access": {"roles": ["auditor"]}}, "viewer"),
        ({"sub": "1", "email": "vic@example.com"}, None),
        ({"sub": "1", "email": "vic@example.com", "email_verified": "true"}, None),
        ({"sub": "1", "email": "VIC@example.com.evil.example", "email_verified": True}, None),
        ({"sub": "1", "groups": ["bridge-operators-of-another"]}, None),
        ({"sub": "1", "groups": {"bridge-operators": True}}, None),
        ({"sub": "1", "realm_access": "auditor"}, None),
        ({"sub": "1"}, None),
    ],
)
async def test_claims_make_operators_and_viewers_and_nothing_else_does(
    redis_url: str,
    idp: Provider,
    person: dict[str, Any],
    role: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    idp.person = dict(person)
    async with opened(redis_url, idp) as desk:
        with caplog.at_level(logging.INFO, "audit"):
            entered = await log_in(desk)
        if role:
            assert entered.status_code == 303
            assert f"<span>{role}" in await desk.show("/events")
        else:
            assert entered.status_code == 403
            assert "neither an operator nor a viewer" in entered.text
            assert acts(caplog) == [("unknown", "console login", "1", "forbidden")]
            assert (await desk.browser.get("/console/events")).status_code == 303


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another-client"},
        {"aud": [CLIENT_ID, "another"], "azp": "another"},
        {"iss": "https://evil.example"},
        {"nonce": "of another login"},
        {"nonce": None},
        {"exp": 1},
        {"exp": None},
        {"sub": ""},
        {"sub": None},
        {"nbf": 9_999_999_999},
    ],
)
async def test_an_id_token_that_is_not_for_this_login_lets_nobody_in(
    redis_url: str, idp: Provider, changes: dict[str, Any]
) -> None:
    idp.changes = changes
    async with opened(redis_url, idp) as desk:
        entered = await log_in(desk)
        assert (entered.status_code, idp.redeemed) == (403, 1)
        assert (await desk.browser.get("/console/events")).status_code == 303


async def test_the_keys_of_the_issuer_may_change_and_no_others_count(
    redis_url: str, idp: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuer_module, "AGAIN_S", 0)
    async with opened(redis_url, idp) as desk:
        assert (await log_in(desk)).status_code == 303
        idp.rotate("second")
        assert (await log_in(desk)).status_code == 303
        idp.rotate("stolen", published=False)
        assert (await log_in(desk)).status_code == 403


async def test_an_answer_counts_in_the_browser_that_has_begun_the_login_and_once(
    redis_url: str, idp: Provider
) -> None:
    async with opened(redis_url, idp) as desk, opened(redis_url, idp) as victim:
        mine = await answered(desk)
        for _ in range(2):  # nor with a login of the victim's own under way
            refused = await victim.browser.get(mine)
            assert refused.status_code == 403
            assert "was not begun in this browser" in refused.text
            await victim.browser.get("/console/openid")
        assert idp.redeemed == 0
        other = mine.copy_merge_params({"state": "made-up"})
        assert (await desk.browser.get(other)).status_code == 403
        assert (await desk.browser.get(mine)).status_code == 403
        mine = await answered(desk)
        assert (await desk.browser.get(mine)).status_code == 303
        assert (await desk.browser.get(mine)).status_code == 403


async def test_an_answer_of_another_issuer_is_not_brought_to_this_one(
    redis_url: str, idp: Provider
) -> None:
    async with opened(redis_url, idp) as desk:
        mixed_up = (await answered(desk)).copy_merge_params({"iss": "https://evil.example"})
        assert (await desk.browser.get(mixed_up)).status_code == 403
        assert idp.redeemed == 0


@pytest.mark.usefixtures("no_minute_ends")
async def test_made_up_codes_are_braked_like_other_guesses(redis_url: str, idp: Provider) -> None:
    async with opened(redis_url, idp) as desk:
        refused = []
        for _ in range(FAILURES_MAX + 1):
            made_up = (await answered(desk)).copy_merge_params({"code": "guess"})
            refused.append(await desk.browser.get(made_up))
        assert [each.status_code for each in refused] == [403] * FAILURES_MAX + [429]
        assert 0 < int(refused[-1].headers["retry-after"]) <= 60
        assert (await log_in(desk)).status_code == 303


async def test_what_is_wrong_at_the_issuer_is_said_in_words(redis_url: str, idp: Provider) -> None:
    async with opened(redis_url, idp, console_client_secret=None) as desk:
        assert "BRIDGE_CONSOLE_CLIENT_ID" in (await log_in(desk)).text
        idp.refuses = True
        refused = await log_in(desk)
        assert (refused.status_code, "The issuer has let nobody in" in refused.text) == (403, True)
        assert "no</b>" not in refused.text
    async with opened(redis_url, idp, console_issuer="http://127.0.0.1:9/realms/none") as desk:
        away = await desk.browser.get("/console/openid")
        assert (away.status_code, "cannot be reached" in away.text) == (503, True)
    async with desktop(redis_url) as desk:
        assert (await desk.browser.get("/console/openid")).status_code == 404


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_the_bridge_proves_itself_as_the_issuer_wants(
    redis_url: str, idp: Provider, method: str
) -> None:
    idp.methods = [method]
    async with opened(redis_url, idp) as desk:
        assert (await log_in(desk)).status_code == 303


async def test_a_login_ends_with_its_time_and_once_the_claim_makes_nobody_an_operator(
    redis_url: str, idp: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrowed = {"console_operators": ("groups=a-few",), "console_viewers": ("groups=staff",)}
    async with (
        opened(redis_url, idp) as desk,
        opened(redis_url, idp) as elsewhere,
        opened(redis_url, idp, **narrowed) as later,
        opened(redis_url, idp, console_client_id="another") as other,
    ):
        await log_in(desk)
        for there, status in ((desk, 200), (elsewhere, 200), (later, 303), (other, 303)):
            there.browser.cookies = desk.browser.cookies
            assert (await there.browser.get("/console/events")).status_code == status
        monkeypatch.setattr("bridge.verbs.logins.OPENID_LOGIN_S", -1)
        assert (await desk.browser.get("/console/events")).status_code == 303


async def test_an_issuer_may_call_itself_by_a_name_that_ends_with_a_slash(
    redis_url: str, idp: Provider
) -> None:
    async with opened(redis_url, idp) as desk:
        idp.issuer += "/"
        assert (await log_in(desk)).status_code == 303


async def test_acts_are_told_by_the_name_of_who_did_them(
    redis_url: str, idp: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(redis_url, idp) as desk:
        await desk.send({})
        event_id = await desk.set_aside()
        await log_in(desk)
        with caplog.at_level(logging.INFO, "audit"):
            await desk.act(f"/events/{event_id}", "redrive")
        ann = "operator ann@example.com"
        assert acts(caplog) == [(ann, "console events redrive", event_id, "done")]


@pytest.mark.parametrize("wanted", ["https://evil.example", "//evil.example", "/\\evil.example"])
async def test_it_leads_nowhere_but_into_the_console(
    redis_url: str, idp: Provider, wanted: str
) -> None:
    async with opened(redis_url, idp) as desk:
        entered = await log_in(desk, f"/openid?next={wanted}")
        assert re.match(r"/console(/|$)", entered.headers["location"])


async def test_behind_tls_the_issuer_is_told_the_public_address_and_cookies_are_secure(
    redis_url: str, idp: Provider
) -> None:
    public = "https://bridge.example.com/tools"
    async with opened(redis_url, idp, public_url=public) as desk:
        desk.browser.base_url = "https://bridge.example.com"
        left = await desk.browser.get("/console/openid")
        asked = parse_qs(urlsplit(left.headers["location"]).query)
        assert asked["redirect_uri"] == [f"{public}/console/openid/back"]
        assert "Path=/tools/console; SameSite=lax; Secure" in left.headers["set-cookie"]
        assert left.headers["cache-control"] == "no-store"

"""What thieves and muddlers try with OAuth, and do not get."""

import json
import string
from collections.abc import AsyncIterator, Callable
from os import fsdecode

import pytest

from bridge.auth.authentication import digest_of
from bridge.store.grants import REFRESH_TOKENS_MAX
from bridge.verbs.oauth_grants import name_of
from tests.doors.by_hand import ALICE
from tests.doors.oauth_by_hand import CALLBACK, Flow, open_flow, said
from tests.waiting import wait_until

EVIL = "https://evil.example/cb"


@pytest.fixture
async def flow(redis_url: str) -> AsyncIterator[Flow]:
    async with open_flow(redis_url) as opened:
        await opened.register()
        yield opened


async def test_a_code_is_worth_nothing_without_its_verifier(flow: Flow) -> None:
    """Source: RFC 7636, 4.6."""
    code = await flow.code()
    answer = await flow.exchange(code, code_verifier="x" * 43)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": None},
        {"code_challenge": "short"},
        {"code_challenge_method": "plain"},
    ],
)
async def test_no_flow_begins_without_pkce(flow: Flow, changes: dict[str, str | None]) -> None:
    answer = await flow.authorize(**changes)
    assert answer.headers["location"].startswith(CALLBACK)
    assert said(answer)["error"] == "invalid_request"


async def test_a_code_used_twice_ends_what_it_was_used_for(flow: Flow) -> None:
    """Source: RFC 6749, 4.1.2."""
    code = await flow.code()
    tokens = (await flow.exchange(code)).json()
    assert await flow.status(tokens["access_token"]) != 401
    assert (await flow.exchange(code)).json()["error"] == "invalid_grant"
    assert await flow.status(tokens["access_token"]) == 401


async def test_a_spent_refresh_token_ends_its_grant_where_that_is_set(redis_url: str) -> None:
    """Source: RFC 9700, 4.14.2."""
    async with open_flow(redis_url, oauth_reuse_ends_grant=True) as flow:
        first = await flow.tokens()
        second = (await flow.refresh(first["refresh_token"])).json()
        third = (await flow.refresh(second["refresh_token"])).json()
        await flow.let_pass(600_000)
        assert (await flow.refresh(first["refresh_token"])).json()["error"] == "invalid_grant"
        assert await flow.status(third["access_token"]) == 401
        assert (await flow.refresh(third["refresh_token"])).status_code == 400


async def test_no_more_refresh_tokens_of_a_grant_count_than_there_may_be(flow: Flow) -> None:
    first = await flow.tokens()
    given = [(await flow.refresh(first["refresh_token"])).json() for _ in range(20)]
    (grant,) = [key async for key in flow.runtime.redis.scan_iter("{bridge}:oauth_grant:*")]
    names = [fsdecode(name) for name in await flow.runtime.redis.hkeys(grant)]
    assert sum(name.startswith("refresh:") for name in names) == REFRESH_TOKENS_MAX
    assert (await flow.refresh(given[0]["refresh_token"])).status_code == 400
    assert (await flow.refresh(given[-1]["refresh_token"])).status_code == 200


async def test_a_token_of_one_server_opens_no_other(flow: Flow) -> None:
    """Source: RFC 8707, 2.2."""
    tokens = await flow.tokens()
    assert await flow.status(tokens["access_token"], "/mcp-2025/desk") != 401
    assert await flow.status(tokens["access_token"], "/mcp/other") == 401
    assert await flow.status(tokens["refresh_token"]) == 401


async def test_tokens_are_for_the_server_that_was_consented_to(flow: Flow) -> None:
    other = f"{flow.origin}/mcp/other"
    answer = await flow.exchange(await flow.code(), resource=other)
    assert answer.json()["error"] == "invalid_target"
    tokens = await flow.tokens()
    answer = await flow.refresh(tokens["refresh_token"], resource=other)
    assert answer.json()["error"] == "invalid_target"


@pytest.mark.parametrize(
    "resource",
    [None, "", "https://evil.example/mcp/desk", "/mcp/desk", "{0}/mcp/desk/x", "{0}/mcp/nowhere"],
)
async def test_no_flow_begins_for_a_server_that_is_not_here(
    flow: Flow, resource: str | None
) -> None:
    named = resource and resource.format(flow.origin)
    assert said(await flow.authorize(resource=named))["error"] == "invalid_target"


@pytest.mark.parametrize(
    "uri",
    [
        EVIL,
        f"{CALLBACK}/",
        f"{CALLBACK}?x=1",
        f"{CALLBACK}#x",
        "https://claude.ai.evil.example/api/mcp/auth_callback",
        "https://claude.ai@evil.example/api/mcp/auth_callback",
        "https://claude.ai:444/api/mcp/auth_callback",
        "http://claude.ai/api/mcp/auth_callback",
        "http://127.0.0.1:9/callback/../evil",
        "http://127.0.0.1.evil.example:9/callback",
        "http://evil.example@127.0.0.1:9/callback",
        "http://127.0.0.1:9/callback?x=1",
        "http://127.0.0.1:9/callback#x",
        "https://127.0.0.1:9/callback",
        "javascript:alert(1)",
    ],
)
async def test_nobody_is_redirected_where_the_client_did_not_say(flow: Flow, uri: str) -> None:
    await flow.register(CALLBACK, "http://127.0.0.1/callback")
    answer = await flow.authorize(redirect_uri=uri)
    assert answer.status_code == 400
    assert "location" not in answer.headers


@pytest.mark.parametrize("port", ["", ":33418", ":1"])
async def test_on_loopback_any_port_will_do(flow: Flow, port: str) -> None:
    """Source: RFC 8252, 7.3."""
    await flow.register("http://127.0.0.1:9999/callback")
    answer = await flow.authorize(redirect_uri=f"http://127.0.0.1{port}/callback")
    assert answer.headers["location"].startswith(f"{flow.origin}/consent")


BAD_REDIRECTS = [
    "http://evil.example/cb",
    "http://localhost.evil.example/cb",
    "https://a@b.example/cb",
    "https://b.example/cb#x",
    "https://b.example;script-src/cb",
    "https://b.example,c.example/cb",
    "https://b.example'/cb",
    "https://*/cb",
    "https://*.b.example/cb",
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "file:///etc/passwd",
    "filesystem:https://b.example/x",
    "view-source:https://b.example/cb",
    "view-source:javascript:alert(1)",
    "blob:https://b.example/x",
    "about:blank",
    "chrome://settings",
    "intent://b.example/#Intent;end",
    "mailto:a@b.example",
    "ws://b.example/cb",
    "app:/cb",
]


@pytest.mark.parametrize("uri", BAD_REDIRECTS)
async def test_no_client_registers_such_an_address(flow: Flow, uri: str) -> None:
    answer = await flow.register(uri)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_redirect_uri")
    assert (await flow.register(CALLBACK, uri)).status_code == 400


@pytest.mark.parametrize(
    "uri",
    [
        "https://b.example:8443/cb?x=1",
        "http://127.0.0.1:1/cb",
        "http://localhost/cb",
        "http://[::1]:7/cb",
        "com.example.app:/cb",
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "vscode://saoudrizwan.claude-dev/cb",
    ],
)
async def test_an_app_registers_where_its_answer_is_to_go(flow: Flow, uri: str) -> None:
    """Source: RFC 8252, 7."""
    assert (await flow.register(uri)).status_code == 201
    page, form = await flow.page(redirect_uri=uri)
    (_, _, _, target) = page.headers["content-security-policy"].split(";")
    assert len(target.split()) == 3
    assert (await flow.answer(form)).headers["location"].startswith(uri)


async def test_a_scheme_of_an_app_can_be_let_by_a_setting(redis_url: str) -> None:
    async with open_flow(redis_url, oauth_app_schemes=("app",)) as flow:
        assert (await flow.register("app:/cb")).status_code == 201
        assert (await flow.register("cursor://x/cb")).status_code == 400


async def test_a_client_on_record_is_led_to_no_address_it_could_not_register_now(
    flow: Flow,
) -> None:
    flow.client_id = "6c8a3c5e"
    for uri in BAD_REDIRECTS:
        await keep(flow, uri)
        for asked in (uri, None):
            answer = await flow.authorize(redirect_uri=asked)
            assert answer.status_code == 400
            assert "location" not in answer.headers


UNSEEN = "\u202e\u2066\u2069\u200f\u200b\ufeff\u0000\u001b\u007f\U000e0041\ue000"


async def test_nothing_in_a_client_s_name_turns_or_hides_what_the_page_says(flow: Flow) -> None:
    await flow.register(client_name=f"Cl{UNSEEN}aude\n\u0085\u2028 {UNSEEN}<b>{UNSEEN}")
    page, _ = await flow.page()
    assert "<bdi>Claude &lt;b&gt;</bdi>" in page.text
    assert not set(UNSEEN) & set(page.text)
    await flow.register(client_name=UNSEEN)
    page, _ = await flow.page()
    assert f"<bdi>{name_of(flow.client_id)}</bdi>" in page.text


async def test_a_code_is_for_its_own_client_and_address(flow: Flow) -> None:
    code, first = await flow.code(), flow.client_id
    await flow.register()
    assert (await flow.exchange(code)).json()["error"] == "invalid_grant"
    flow.client_id = first
    answer = await flow.exchange(code, redirect_uri=EVIL)
    assert answer.json()["error"] == "invalid_request"
    assert (await flow.exchange(code)).status_code == 200


@pytest.mark.parametrize("token", ["", "wrong", "hook", "nb_x"])
async def test_nobody_consents_without_a_token_of_the_server(flow: Flow, token: str) -> None:
    _, form = await flow.page()
    answer = await flow.answer(form, token=token)
    assert answer.status_code == 403
    assert "no token of that server" in answer.text
    assert (await flow.answer(form)).status_code == 303


async def test_a_form_counts_only_from_the_browser_that_was_shown_it(flow: Flow) -> None:
    _, form = await flow.page()
    flow.http.cookies.clear()
    assert (await flow.answer(form)).status_code == 401
    await flow.page()
    assert (await flow.answer(form)).status_code == 401


async def test_a_form_of_another_site_is_turned_away(flow: Flow) -> None:
    _, form = await flow.page()
    data = form | {"token": ALICE, "answer": "yes"}
    for origin in ("https://evil.example", "null"):
        answer = await flow.http.post(
            f"{flow.origin}/consent", data=data, headers={"origin": origin}
        )
        assert answer.status_code == 403
        assert "location" not in answer.headers


async def test_a_question_is_answered_once(flow: Flow) -> None:
    _, form = await flow.page()
    assert (await flow.answer(form)).status_code == 303
    assert (await flow.answer(form)).status_code == 404
    _, form = await flow.page()
    assert said(await flow.answer(form, answer="no"))["error"] == "access_denied"
    assert (await flow.answer(form)).status_code == 404


@pytest.mark.parametrize("what", ["oauth_client", "oauth_code", "oauth_token", "oauth_grant"])
async def test_everything_that_is_given_out_has_an_end(flow: Flow, what: str) -> None:
    days = {"oauth_client": 90, "oauth_code": 1 / 24, "oauth_token": 30, "oauth_grant": 30}
    await flow.page()
    tokens = await flow.tokens()
    redis = flow.runtime.redis
    keys = [key async for key in redis.scan_iter(f"{{bridge}}:{what}:*")]
    for key in keys:
        assert 0 < await redis.ttl(key) <= days[what] * 86400
        await redis.pexpire(key, 1)

    async def is_gone() -> bool:
        return not [key async for key in redis.scan_iter(f"{{bridge}}:{what}:*")]

    await wait_until(is_gone, "their end")
    if what in ("oauth_token", "oauth_grant"):
        assert await flow.status(tokens["access_token"]) == 401


async def test_a_client_on_record_of_before_goes_on(flow: Flow) -> None:
    flow.client_id = "6c8a3c5e"
    assert (await flow.authorize()).status_code == 400
    await keep(flow, CALLBACK)
    tokens = await flow.tokens()
    key = f"{{bridge}}:oauth_client:{digest_of(flow.client_id)}"
    assert await flow.runtime.redis.ttl(key) > 89 * 86400
    await flow.runtime.redis.expire(key, 60)
    assert (await flow.refresh(tokens["refresh_token"])).status_code == 200
    assert await flow.runtime.redis.ttl(key) > 89 * 86400


async def keep(flow: Flow, uri: str) -> None:
    """Put a client on record as it was before clients carried what they say of themselves."""
    told = {"client_id": flow.client_id, "redirect_uris": [uri]}
    kept = json.dumps(told | {"token_endpoint_auth_method": "none", "client_name": "Old"})
    await flow.runtime.redis.set(
        f"{{bridge}}:oauth_client:{digest_of(flow.client_id)}", kept, ex=600
    )


@pytest.mark.parametrize("change", [lambda id_: id_[:-4] + "AAAA", lambda id_: id_[:9] + id_[10:]])
async def test_an_id_that_was_changed_is_of_no_client(
    flow: Flow, change: Callable[[str], str]
) -> None:
    flow.client_id = change(flow.client_id)
    answer = await flow.authorize()
    assert answer.status_code == 400
    assert "location" not in answer.headers
    given = {"grant_type": "refresh_token", "refresh_token": "x"}
    assert (await flow.token(**given)).json()["error"] == "invalid_client"


async def test_a_question_is_as_it_was_asked_or_none(flow: Flow) -> None:
    location = (await flow.authorize()).headers["location"]
    assert (await flow.http.get(location)).status_code == 200
    for changed in (location[:-4] + "AAAA", f"{flow.origin}/consent?id={flow.client_id[5:]}"):
        assert (await flow.http.get(changed)).status_code == 404
    await flow.answer((await flow.page())[1])


async def test_another_spelling_of_a_question_is_no_other_question(flow: Flow) -> None:
    _, form = await flow.page()
    letters = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    last = letters[letters.index(form["id"][-1]) ^ 1]  # its last bits are of no byte
    other = f"{flow.origin}/consent?id={form['id'][:-1]}{last}"
    assert (await flow.http.get(other)).status_code == 200
    assert (await flow.answer(form)).status_code == 303
    assert (await flow.http.get(other)).status_code == 404


async def test_a_code_too_old_is_none(flow: Flow) -> None:
    code = await flow.code()
    (key,) = [key async for key in flow.runtime.redis.scan_iter("{bridge}:oauth_code:*")]
    assert 0 < await flow.runtime.redis.ttl(key) <= 60
    await flow.runtime.redis.delete(key)
    assert (await flow.exchange(code)).json()["error"] == "invalid_grant"


async def test_what_is_too_long_to_be_meant_is_not_read(flow: Flow) -> None:
    for path in ("register", "token", "consent", "revoke"):
        answer = await flow.http.post(f"{flow.origin}/{path}", content=b"x" * 70_000)
        assert answer.status_code == 413
        code = "invalid_client_metadata" if path == "register" else "invalid_request"
        assert answer.json()["error"] == code
        assert "longer than 16384 bytes" in answer.json()["error_description"]

"""OAuth as clients use it: found from a 401, consented to by a person, kept fresh, taken back."""

import asyncio
import json
import re
from collections.abc import AsyncIterator

import pytest

from bridge.auth.authentication import Scope, digest_of
from tests.doors.by_hand import request
from tests.doors.oauth_by_hand import CALLBACK, Flow, open_flow, said
from tests.doors.official_client import Kept, official_client
from tests.doors.scoped import CLERK, INBOX, READS, client, names, token_for


@pytest.fixture
async def flow(redis_url: str) -> AsyncIterator[Flow]:
    async with open_flow(redis_url) as opened:
        yield opened


@pytest.mark.parametrize("path", ["/mcp/desk", "/mcp-2025/desk"])
async def test_the_official_client_finds_its_way_in_by_itself(flow: Flow, path: str) -> None:
    kept = Kept()
    async with official_client(flow, path, kept) as claude:
        listed = await claude.list_tools()
        assert "take_event" in [tool.name for tool in listed.tools]
        taken = await claude.call_tool("take_event", {})
        assert not taken.is_error
    assert kept.tokens
    assert kept.client
    assert kept.client.token_endpoint_auth_method == "none"
    assert kept.client.client_secret is None


@pytest.mark.parametrize("wire", ["mcp", "mcp-2025", "sse"])
async def test_a_refused_client_is_told_where_tokens_come_from(flow: Flow, wire: str) -> None:
    """Source: RFC 9728, 5.1; RFC 8414, 3."""
    path = f"/{wire}/desk" + ("/messages" if wire == "sse" else "")
    answer = await flow.http.post(flow.origin + path)
    assert answer.status_code == 401
    assert 'scope="read act"' in answer.headers["www-authenticate"]
    (at,) = re.findall(r'resource_metadata="([^"]+)"', answer.headers["www-authenticate"])
    assert at == f"{flow.origin}/.well-known/oauth-protected-resource/{wire}/desk"

    resource = (await flow.http.get(at)).json()
    assert resource["resource"] == f"{flow.origin}/{wire}/desk"
    (issuer,) = resource["authorization_servers"]
    server = (await flow.http.get(f"{issuer}/.well-known/oauth-authorization-server")).json()
    assert server["issuer"] == issuer
    assert server["code_challenge_methods_supported"] == ["S256"]
    assert server["client_id_metadata_document_supported"]


@pytest.mark.parametrize(
    ("token", "said"), [("", "send the header"), ("wrong", "that is no token")]
)
async def test_a_refusal_says_what_is_wrong_with_the_token(
    flow: Flow, token: str, said: str
) -> None:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    answer = await flow.http.post(f"{flow.origin}/mcp/desk", headers=headers)
    assert answer.json()["detail"].startswith(said)
    assert "`Authorization: Bearer TOKEN`" in answer.json()["detail"]


async def test_claude_ai_gets_in_as_the_one_who_consented(flow: Flow) -> None:
    tokens = await flow.tokens()
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 3600
    modern = client(flow.http, flow.origin, tokens["access_token"])
    assert "take_event" in await names(modern)
    grant = await flow.runtime.mcp.authenticator.grants.held(tokens["access_token"])
    assert grant
    assert grant.granted.principal == "alice"


async def test_the_answer_says_whose_it_is(flow: Flow) -> None:
    """Source: RFC 9207."""
    await flow.register()
    _, form = await flow.page()
    answer = await flow.answer(form)
    assert answer.headers["location"].startswith(f"{CALLBACK}?")
    assert said(answer)["iss"] == flow.origin
    assert said(answer)["state"] == "s1"
    wrong = await flow.authorize(resource=f"{flow.origin}/mcp/nowhere")
    assert said(wrong)["error"] == "invalid_target"
    assert said(wrong)["iss"] == flow.origin
    _, form = await flow.page()
    refused = await flow.answer(form, answer="no", token="")
    assert said(refused) == {"error": "access_denied", "state": "s1", "iss": flow.origin}


async def test_a_client_that_asks_to_read_only_reads(flow: Flow) -> None:
    tokens = await flow.tokens(scope="read offline_access")
    assert tokens["scope"] == "read"
    assert await names(client(flow.http, flow.origin, tokens["access_token"])) == READS


async def test_a_client_gets_no_more_than_the_token_of_the_person(flow: Flow) -> None:
    token = await token_for(flow.runtime, "clerk", CLERK)
    await flow.register()
    tokens = (await flow.exchange(await flow.code(token))).json()
    assert await names(client(flow.http, flow.origin, tokens["access_token"])) == INBOX


async def test_with_the_token_of_the_person_goes_what_came_of_it(flow: Flow) -> None:
    token = await token_for(flow.runtime, "ann", Scope())
    await flow.register()
    tokens = (await flow.exchange(await flow.code(token))).json()
    modern = client(flow.http, flow.origin, tokens["access_token"])
    async with modern.stream(request("subscriptions/listen", 7, notifications={})) as listening:
        assert listening.status_code == 200
        (made,) = await flow.runtime.mcp.authenticator.tokens.list()
        await flow.runtime.mcp.authenticator.tokens.revoke(made.token_id)
        await listening.aread()
    assert await flow.status(tokens["access_token"]) == 401
    assert (await flow.refresh(tokens["refresh_token"])).status_code == 400


async def test_a_refresh_gives_new_tokens_and_may_narrow_them(flow: Flow) -> None:
    first = await flow.tokens()
    second = (await flow.refresh(first["refresh_token"], scope="read")).json()
    assert second["scope"] == "read"
    assert second["refresh_token"] != first["refresh_token"]
    assert await names(client(flow.http, flow.origin, second["access_token"])) == READS
    wider = await flow.refresh(second["refresh_token"], scope="read act")
    assert wider.json()["error"] == "invalid_scope"


async def test_a_refresh_token_counts_for_days_while_its_successor_was_not_used(flow: Flow) -> None:
    """The answer was lost, or a client that keeps no tokens begins with the old one each time."""
    first = await flow.tokens()
    for _ in range(20):
        assert (await flow.refresh(first["refresh_token"])).status_code == 200
        await flow.let_pass(86_400_000)
    second = (await flow.refresh(first["refresh_token"])).json()
    assert (await flow.refresh(second["refresh_token"])).status_code == 200


async def test_two_sessions_that_refresh_the_same_token_both_stay_logged_in(flow: Flow) -> None:
    first = await flow.tokens()
    racing = [flow.refresh(first["refresh_token"]) for _ in range(2)]
    one, other = [answer.json() for answer in await asyncio.gather(*racing)]
    for _ in range(3):  # one works on while the other sleeps
        one = (await flow.refresh(one["refresh_token"])).json()
        await flow.let_pass(600_000)
    assert (
        await flow.status((await flow.refresh(other["refresh_token"])).json()["access_token"])
        != 401
    )
    assert await flow.status(one["access_token"]) != 401


async def test_a_refresh_token_counts_ten_minutes_more_once_its_successor_was_used(
    flow: Flow,
) -> None:
    first = await flow.tokens()
    second = (await flow.refresh(first["refresh_token"])).json()
    third = (await flow.refresh(second["refresh_token"])).json()
    await flow.let_pass(590_000)
    assert (await flow.refresh(first["refresh_token"])).status_code == 200
    await flow.let_pass(10_000)
    refused = await flow.refresh(first["refresh_token"])
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert await flow.status(third["access_token"]) != 401
    assert (await flow.refresh(third["refresh_token"])).status_code == 200


async def test_grants_of_before_tokens_overlapped_go_on(flow: Flow) -> None:
    first = await flow.tokens()
    second = (await flow.refresh(first["refresh_token"])).json()
    redis = flow.runtime.redis
    (grant,) = [key async for key in redis.scan_iter("{bridge}:oauth_grant:*")]
    kept = await redis.hget(grant, "kept") or ""
    before, newest = (digest_of(pair["refresh_token"]) for pair in (first, second))
    await redis.delete(grant)
    told = ("kept", kept, "refresh", newest, "previous", before, "rotated_at", "1")
    await redis.hset(grant, items=list(told))
    await redis.expire(grant, 86_400)
    assert (await flow.refresh(first["refresh_token"])).status_code == 200
    assert (await flow.refresh(second["refresh_token"])).status_code == 200
    await flow.let_pass(600_000)
    assert (await flow.refresh(first["refresh_token"])).status_code == 400


async def test_a_client_can_give_its_tokens_up(flow: Flow) -> None:
    """Source: RFC 7009."""
    tokens = await flow.tokens()
    given = {"client_id": flow.client_id, "token": tokens["refresh_token"]}
    assert (await flow.http.post(f"{flow.origin}/revoke", data=given)).status_code == 200
    assert await flow.status(tokens["access_token"]) == 401


async def test_nobody_gives_up_the_tokens_of_another_client(flow: Flow) -> None:
    tokens = await flow.tokens()
    for client_id, token in (("other", tokens["refresh_token"]), (flow.client_id, "unknown")):
        given = {"client_id": client_id, "token": token}
        answer = await flow.http.post(f"{flow.origin}/revoke", data=given)
        assert (answer.status_code, answer.content) == (200, b"")
    assert await flow.status(tokens["access_token"]) != 401


async def test_a_client_that_asks_for_no_scope_there_is_is_sent_back_with_that(flow: Flow) -> None:
    await flow.register()
    answer = await flow.authorize(scope="admin write")
    assert answer.status_code == 302
    assert (said(answer)["error"], said(answer)["iss"]) == ("invalid_scope", flow.origin)
    assert said(await flow.authorize(scope="admin read")).get("error") is None


async def test_the_page_shows_who_asks_and_lets_nothing_in(flow: Flow) -> None:
    await flow.register()
    page, _ = await flow.page(resource=f"{flow.origin}/mcp/other")
    assert page.status_code == 200
    assert "Claude &lt;b&gt;" in page.text
    assert "Other &lt;desk&gt;" in page.text
    assert "https://claude.ai" in page.text
    assert "<script" not in page.text
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; base-uri 'none'; frame-ancestors 'none'")
    assert policy.endswith("form-action 'self' https://claude.ai")
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["cache-control"] == "no-store"
    cookie = page.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


@pytest.mark.parametrize(
    "path", ["/authorize", "/consent", "/.well-known/oauth-authorization-server"]
)
async def test_nothing_of_it_is_there_unless_it_is_turned_on(redis_url: str, path: str) -> None:
    async with open_flow(redis_url, oauth=None) as flow:
        assert (await flow.http.get(f"{flow.origin}/{path}")).status_code == 404
        assert (await flow.register()).status_code == 404
        for other in ("register", "token", "authorize", "revoke"):
            refused = (await flow.http.post(f"{flow.origin}/{other}")).json()
            assert refused["error"] == "access_denied"
            assert "Authorization: Bearer TOKEN" in refused["error_description"]
            assert refused["detail"] == refused["error_description"]
        answer = await flow.http.post(f"{flow.origin}/mcp/desk")
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_nothing_that_opens_a_door_is_kept_in_the_clear(flow: Flow) -> None:
    tokens = await flow.tokens()
    redis = flow.runtime.redis
    keys = redis.scan_iter("{bridge}:oauth_*")
    kept = [str((key, await redis.dump(key))) async for key in keys]
    assert len(kept) >= 5
    for secret in (tokens["access_token"], tokens["refresh_token"], "the-token-of-alice"):
        assert secret not in json.dumps(kept)

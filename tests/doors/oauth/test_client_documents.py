"""Clients known by the address of a document, from `/authorize` to a token; and who they are not.

Source: MCP 2026-07-28, "Client ID Metadata Documents".
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.net.public_http import is_public, resolve
from tests.client_documents import BAD, Teller, document, telling
from tests.doors.oauth_by_hand import CALLBACK, Flow, kept_of_oauth, open_flow, said
from tests.doors.official_client import LOCAL_CALLBACK, Kept, official_client
from tests.doors.scoped import client, names
from tests.tls import HERE


@pytest.fixture
async def teller(tmp_path: Path) -> AsyncIterator[Teller]:
    async with telling(tmp_path) as serving:
        yield serving


@pytest.fixture
async def flow(redis_url: str, teller: Teller) -> AsyncIterator[Flow]:
    """Return a client whose document the bridge may read, though it is on this machine."""
    async with open_flow(redis_url) as opened:
        opened.app.documents = teller.here
        opened.client_id = teller.url
        yield opened


async def refused(flow: Flow, **changes: str) -> str:
    """Ask in vain; nobody is led anywhere. Give the reason."""
    answer = await flow.authorize(**changes)
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert await kept_of_oauth(flow) <= {"{bridge}:oauth_key"}
    told = answer.json()
    return str(told.get("detail") or told["error_description"])


async def test_a_client_comes_in_by_its_document(flow: Flow) -> None:
    tokens = await flow.tokens()
    assert "take_event" in await names(client(flow.http, flow.origin, tokens["access_token"]))
    held = await flow.runtime.mcp.authenticator.grants.held(tokens["access_token"])
    assert held
    assert held.granted.asked.client_id == flow.client_id
    assert (await flow.refresh(tokens["refresh_token"])).status_code == 200


async def test_the_official_client_comes_in_by_its_document(flow: Flow, teller: Teller) -> None:
    teller.tell = lambda url: document(url, redirect_uris=[LOCAL_CALLBACK])
    kept = Kept()
    async with official_client(flow, "/mcp/desk", kept, teller.url) as claude:
        assert (await claude.list_tools()).tools
    assert kept.client
    assert kept.client.client_id == teller.url


async def test_the_page_says_where_the_client_is_known(flow: Flow, teller: Teller) -> None:
    teller.tell = lambda url: document(url, client_name="Nice <b>")
    page, _ = await flow.page()
    assert "Nice &lt;b&gt;" in page.text
    assert f"it is known at {teller.url.split('/')[2]}" in page.text
    assert "your own device" not in page.text


async def test_the_page_warns_of_what_anybody_on_the_device_may_be(
    flow: Flow, teller: Teller
) -> None:
    teller.tell = lambda url: document(url, redirect_uris=[LOCAL_CALLBACK])
    page, _ = await flow.page(redirect_uri=LOCAL_CALLBACK)
    assert "any program can say that it is this one" in page.text


@pytest.mark.parametrize("fault", BAD)
async def test_a_bad_document_begins_no_flow(flow: Flow, teller: Teller, fault: str) -> None:
    teller.tell = BAD[fault]
    assert "not found" not in await refused(flow)
    assert teller.asked == ["/c.json"]


@pytest.mark.parametrize("uri", ["https://evil.example/cb", CALLBACK + "/x", LOCAL_CALLBACK])
async def test_nobody_is_sent_where_the_document_does_not_say(flow: Flow, uri: str) -> None:
    answer = await flow.authorize(redirect_uri=uri)
    assert answer.status_code == 400
    assert "location" not in answer.headers


async def test_what_the_document_takes_back_counts_at_once(flow: Flow, teller: Teller) -> None:
    await flow.tokens()
    teller.tell = lambda url: document(url, redirect_uris=["https://claude.ai/elsewhere"])
    assert (await flow.authorize()).status_code == 400


async def test_a_document_that_is_away_keeps_nobody_out_who_was_let_in(
    flow: Flow, teller: Teller
) -> None:
    tokens = await flow.tokens()
    teller.tell = BAD["not there"]
    await flow.authorize()
    assert (await flow.refresh(tokens["refresh_token"])).status_code == 200
    (key,) = [key async for key in flow.runtime.redis.scan_iter("{bridge}:oauth_client:*")]
    assert await flow.runtime.redis.ttl(key) > 89 * 86400


async def test_to_ask_again_does_not_shorten_how_long_a_client_is_known(flow: Flow) -> None:
    await flow.tokens()
    await flow.authorize()
    (key,) = [key async for key in flow.runtime.redis.scan_iter("{bridge}:oauth_client:*")]
    assert await flow.runtime.redis.ttl(key) > 89 * 86400


async def test_only_a_person_s_way_in_has_a_document_read(flow: Flow, teller: Teller) -> None:
    for grant, given in {"authorization_code": "code", "refresh_token": "refresh_token"}.items():
        answer = await flow.token(grant_type=grant, **{given: "x"}, code_verifier=flow.verifier)
        assert answer.json()["error"] == "invalid_grant"
    assert not teller.asked


async def test_a_code_of_a_document_s_client_is_for_no_other(flow: Flow) -> None:
    code, documented = await flow.code(), flow.client_id
    await flow.register()
    assert (await flow.exchange(code)).json()["error"] == "invalid_grant"
    flow.client_id = documented
    assert (await flow.exchange(code)).status_code == 200


@pytest.mark.parametrize(
    "addresses",
    [
        [HERE],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["10.0.0.1"],
        ["192.168.0.1"],
        ["169.254.169.254"],
        ["fe80::1"],
        ["fc00::1"],
        ["160.79.104.10", HERE],
    ],
)
async def test_no_document_is_read_from_this_network(
    flow: Flow, teller: Teller, addresses: list[str]
) -> None:
    flow.app.documents = teller.documents(*addresses)
    assert await refused(flow) == "the client's document cannot be read"
    assert teller.resolved
    assert not teller.asked


@pytest.mark.parametrize("host", ["localhost", HERE, "0.0.0.0", "2130706433", "127.1"])
async def test_a_bridge_as_it_is_started_reads_none_from_its_own_machine(
    redis_url: str, teller: Teller, host: str
) -> None:
    async with open_flow(redis_url) as flow:
        http = flow.app.documents.http
        assert (http.is_let, http.resolve) == (is_public, resolve)
        port = teller.url.split("/")[2].split(":")[1]
        flow.client_id = f"https://{host}:{port}/c.json"
        assert await refused(flow) == "the client's document cannot be read"
    assert not teller.asked


async def test_an_id_that_is_no_address_is_of_an_unknown_client(flow: Flow, teller: Teller) -> None:
    for client_id in (teller.url.replace("https", "http"), teller.url + "#x", "https://[::1]/c"):
        assert "not found" in await refused(flow, client_id=client_id)
    assert not teller.asked


async def test_the_answer_to_a_document_s_client_says_whose_it_is(flow: Flow) -> None:
    _, form = await flow.page()
    assert said(await flow.answer(form, answer="no", token="")) == {
        "error": "access_denied",
        "state": "s1",
        "iss": flow.origin,
    }

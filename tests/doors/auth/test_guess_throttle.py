"""Who brings wrong credentials is braked, whichever door they try; a right one always passes."""

import logging
import re
from collections.abc import AsyncIterator

import httpx2
import pytest
from pydantic import SecretStr

from bridge.auth.throttle import FAILURES_MAX
from bridge.configuration.credentials import GithubAuth
from bridge.configuration.servers import Hook
from bridge.formats.addresses import network
from bridge.formats.signatures import sign_as_github
from tests.apps import RunningApp, running_app
from tests.doors.by_hand import ALICE, N8N, authorization
from tests.doors.conftest import DESK
from tests.doors.oauth_by_hand import open_flow

pytestmark = pytest.mark.usefixtures("no_minute_ends")

OPERATOR, SECRET = "operator-token-of-the-tests", "github-secret-of-the-tests"
PROXIED = "x-forwarded-for"
SIGNED = Hook(name="signed", auth=(GithubAuth(secret=SecretStr(SECRET)),))
SERVER = DESK.model_copy(update={"hooks": {**DESK.hooks, "signed": SIGNED}})


@pytest.fixture
async def door(redis_url: str) -> AsyncIterator[RunningApp]:
    async with running_app(
        redis_url,
        SERVER,
        metrics_token=SecretStr(OPERATOR),
        operator_token=SecretStr(OPERATOR),
        trusted_proxies=(network("127.0.0.1"),),
    ) as app:
        yield app


GUESSES = {
    "a hook": ("POST", "/hooks/desk/letters", {"authorization": "Bearer guess"}),
    "a signed hook": ("POST", "/hooks/desk/signed", {"x-hub-signature-256": "sha256=" + 64 * "0"}),
    "an MCP server": ("POST", "/mcp/desk", {"authorization": "Bearer guess"}),
    "a stream": ("GET", "/sse/desk", {"authorization": "Bearer guess"}),
    "the metrics": ("GET", "/metrics", {"authorization": "Bearer guess"}),
    "an operator's": ("POST", "/events/evt_x/redrive", {"authorization": "Bearer guess"}),
    "a callback": ("POST", "/callbacks/call_x?token=guess", {}),
    "an event": ("GET", "/events/evt_x", {"authorization": "Bearer guess"}),
}
RIGHT = {
    "a hook": authorization(N8N),
    "a signed hook": {"x-hub-signature-256": sign_as_github(SECRET, b"{}")},
    "the metrics": authorization(OPERATOR),
}


@pytest.mark.parametrize("what", GUESSES)
async def test_guesses_at_any_door_are_braked(door: RunningApp, what: str) -> None:
    method, path, headers = GUESSES[what]
    for number in range(FAILURES_MAX + 2):
        answer = await door.client.request(method, path, headers=headers)
        if number < FAILURES_MAX:
            assert answer.status_code in (401, 404)
        else:
            assert answer.status_code == 429
            assert 0 < int(answer.headers["retry-after"]) <= 60
            assert "too many wrong credentials" in answer.json()["detail"]
    if what in RIGHT:
        content = b"{}" if method == "POST" else None
        right = await door.client.request(method, path, headers=RIGHT[what], content=content)
        assert right.is_success


async def test_one_brake_is_for_all_doors_and_each_address_has_its_own(
    door: RunningApp, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        statuses = []
        for number in range(FAILURES_MAX + 5):
            method, path, headers = list(GUESSES.values())[number % len(GUESSES)]
            told = headers | {PROXIED: "9.9.9.9"}
            statuses.append((await door.client.request(method, path, headers=told)).status_code)
    assert statuses.index(429) == FAILURES_MAX
    assert [each.message for each in caplog.records].count("credentials.braked") == 1
    method, path, headers = GUESSES["a hook"]
    other = await door.client.request(method, path, headers=headers | {PROXIED: "8.8.8.8"})
    assert other.status_code == 401


async def test_who_brings_no_credential_guesses_none(door: RunningApp) -> None:
    """OAuth clients ask so to be told where tokens come from."""
    for _ in range(FAILURES_MAX + 2):
        answer = await door.client.post("/mcp/desk")
        assert answer.status_code == 401


async def test_who_asks_for_an_event_that_is_gone_guesses_nothing(door: RunningApp) -> None:
    for _ in range(FAILURES_MAX + 2):
        answer = await door.client.get("/events/evt_gone", headers=authorization(N8N))
        assert answer.status_code == 404


async def test_a_guess_behind_the_brake_leaves_no_more_lines(
    door: RunningApp, caplog: pytest.LogCaptureFixture
) -> None:
    method, path, headers = GUESSES["an MCP server"]
    with caplog.at_level(logging.INFO):
        for _ in range(FAILURES_MAX + 20):
            await door.client.request(method, path, headers=headers)
    lines = [each for each in caplog.records if each.name == "audit"]
    assert len(lines) == FAILURES_MAX + 1


async def test_the_consent_form_is_braked_and_takes_the_right_token(redis_url: str) -> None:
    async with open_flow(redis_url) as flow:
        await flow.register()
        _, form = await flow.page()
        statuses = [
            (await flow.answer(form, token="guess")).status_code for _ in range(FAILURES_MAX + 1)
        ]
        assert statuses[-2:] == [403, 429]
        braked = await flow.answer(form, token="guess")
        assert "<form" in braked.text  # a person may have mistyped it
        assert int(braked.headers["retry-after"]) > 0
        assert (await flow.answer(form, token=ALICE)).status_code == 303


async def test_two_hosts_are_one_too_many(door: RunningApp) -> None:
    """Source: RFC 9112, 3.2."""
    hosts = [("host", "127.0.0.1:8080"), ("host", "evil.example")]
    for pair in (hosts, hosts[::-1]):
        request = httpx2.Request("GET", "http://127.0.0.1:8080/openapi.json", headers=pair)
        assert len(re.findall("host", str(request.headers.raw).lower())) == 2
        assert (await door.client.send(request)).status_code == 400


async def test_without_its_token_metrics_answer_no_proxy_whatever_it_calls_itself(
    redis_url: str,
) -> None:
    async with running_app(redis_url, SERVER) as open_door:
        assert (await open_door.client.get("/metrics")).status_code == 200
        for name in ("x-real-ip", "x-forwarded-for", "forwarded", "via", "cf-connecting-ip"):
            answer = await open_door.client.get("/metrics", headers={name: "127.0.0.1"})
            assert answer.status_code == 404, name

"""Hooks that go by a signature: what it covers counts, and what it does not cover does not."""

import time
from collections.abc import AsyncIterator, Mapping

import httpx2
import pytest

from bridge.configuration.servers import Server
from bridge.formats.signatures import key_of, sign, sign_as_github
from tests.apps import RunningApp, running_app

N8N = "http://n8n:5678"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
REPLY_URL = {"Bridge-Reply-Url": f"{N8N}/webhook-waiting/1"}
STANDARD, GITHUB = {"standard_webhooks": SECRET}, {"github": "the secret"}
SUPPORT = Server.model_validate(
    {
        "name": "support",
        "hooks": {
            "standard": {"auth": STANDARD},
            "github": {"auth": GITHUB},
            "standard-unsigned": {"auth": STANDARD, "reply_url": "unsigned"},
            "github-unsigned": {"auth": GITHUB, "reply_url": "unsigned"},
            "basic": {"auth": {"basic": {"user": "n8n", "password": "it"}}},
            "any": {"auth": [STANDARD, GITHUB, {"bearer": "token"}]},
        },
    }
)


@pytest.fixture
async def door(redis_url: str) -> AsyncIterator[RunningApp]:
    async with running_app(redis_url, SUPPORT, n8n_url=N8N) as running:
        yield running


async def post(
    door: RunningApp, hook: str, body: bytes, *headers: Mapping[str, str]
) -> httpx2.Response:
    merged = {name: value for each in headers for name, value in each.items()}
    return await door.client.post(f"/hooks/support/{hook}", content=body, headers=merged)


def signed(body: bytes = b"{}", message_id: str = "msg_1", ago_s: int = 0) -> dict[str, str]:
    timestamp = str(int(time.time()) - ago_s)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": sign(key_of(SECRET), message_id, timestamp, body),
    }


def as_github(body: bytes = b"{}") -> dict[str, str]:
    return {"x-hub-signature-256": sign_as_github("the secret", body)}


async def events(door: RunningApp) -> int:
    return len(await door.runtime.redis.keys("{bridge}:event:*"))


async def test_each_kind_of_signature_opens_its_hook(door: RunningApp) -> None:
    body = '{"név": "ű"}'.encode()

    standard = await post(door, "standard", body, signed(body))
    github = await post(door, "github", body, as_github(body))

    assert (standard.status_code, github.status_code) == (202, 202)


async def test_a_user_and_password_open_theirs(door: RunningApp) -> None:
    response = await door.client.post("/hooks/support/basic", json=1, auth=("n8n", "it"))
    wrong = await door.client.post("/hooks/support/basic", json=1, auth=("n8n", "other"))

    assert (response.status_code, wrong.status_code) == (202, 401)
    assert wrong.headers["www-authenticate"] == 'Basic realm="hook"'


async def test_any_of_a_list_opens_the_hook(door: RunningApp) -> None:
    bearer = {"Authorization": "Bearer token"}

    answers = [await post(door, "any", b"{}", each) for each in (signed(), as_github(), bearer)]

    assert [answer.status_code for answer in answers] == [202, 202, 202]


async def test_a_body_that_was_tampered_with_is_turned_away(door: RunningApp) -> None:
    for hook, headers in (("standard", signed()), ("github", as_github())):
        response = await post(door, hook, b"{ }", headers)

        assert response.status_code == 401
        assert "byte for byte" in response.json()["detail"]
        assert SECRET not in response.text
    assert await events(door) == 0


async def test_a_stale_request_is_turned_away_with_the_reason(door: RunningApp) -> None:
    response = await post(door, "standard", b"{}", signed(ago_s=400))

    assert response.status_code == 401
    assert "stale" in response.json()["detail"]


async def test_a_request_that_is_repeated_in_time_is_a_duplicate(door: RunningApp) -> None:
    headers = signed()

    first = await post(door, "standard", b"{}", headers)
    again = await post(door, "standard", b"{}", headers)

    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json() == {**first.json(), "duplicate": True}


async def test_no_other_key_makes_a_repeated_request_new(door: RunningApp) -> None:
    """The signature covers webhook-id and no Idempotency-Key, which anyone could have added."""
    headers = signed()
    await post(door, "standard", b"{}", headers)

    again = await post(door, "standard", b"{}", headers, {"Idempotency-Key": "another"})

    assert again.status_code == 200
    assert await events(door) == 1


async def test_an_id_that_comes_again_with_another_body_is_a_conflict(door: RunningApp) -> None:
    await post(door, "standard", b"{}", signed())

    response = await post(door, "standard", b"[]", signed(b"[]"))

    assert response.status_code == 409


@pytest.mark.parametrize(("hook", "headers"), [("standard", signed), ("github", as_github)])
async def test_a_reply_address_that_no_signature_covers_needs_leave(
    door: RunningApp, hook: str, headers: type[dict[str, str]]
) -> None:
    refused = await post(door, hook, b"{}", headers(), REPLY_URL)
    allowed = await post(door, f"{hook}-unsigned", b"{}", headers(), REPLY_URL)

    assert (refused.status_code, allowed.status_code) == (422, 202)
    assert "reply_url: unsigned" in refused.text
    assert await events(door) == 1


async def test_a_bearer_token_beside_a_signature_covers_the_reply_address(
    door: RunningApp,
) -> None:
    bearer = {"Authorization": "Bearer token"}

    assert (await post(door, "any", b"{}", signed(), bearer, REPLY_URL)).status_code == 202


async def test_an_allowed_reply_address_is_still_n8n_s_own(door: RunningApp) -> None:
    foreign = {"Bridge-Reply-Url": "http://evil.example/webhook-waiting/1"}

    response = await post(door, "github-unsigned", b"{}", as_github(), foreign)

    assert response.status_code == 422
    assert "BRIDGE_REPLY_ORIGINS" in response.text


async def test_the_sender_of_a_signed_event_may_ask_for_it(door: RunningApp) -> None:
    accepted = (await post(door, "standard", b"{}", signed())).json()
    mine, others = signed(b"", "ask-1"), {"webhook-signature": "v1,wrong"}

    shown = await door.client.get(accepted["status_url"], headers=mine)
    hidden = await door.client.get(accepted["status_url"], headers=others)
    nobody = await door.client.get(accepted["status_url"])

    assert (shown.status_code, hidden.status_code, nobody.status_code) == (200, 404, 401)

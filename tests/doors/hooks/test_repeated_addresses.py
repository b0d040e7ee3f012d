"""A payload that repeats its reply address does not show it to Claude."""

import json
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from bridge.configuration.credentials import BearerAuth
from bridge.configuration.servers import Hook, Server
from bridge.models import Principal
from tests.apps import RunningApp, running_app, there

N8N = "http://n8n:5678"
SIGNATURE = "0a1b2c3d4e5f6071" * 4
SIGNED = f"{N8N}/webhook-waiting/7/reply?signature={SIGNATURE}"
AUTH = (BearerAuth(token=SecretStr("hook")),)
DESK = Server(
    name="desk",
    hooks={
        "letters": Hook(auth=AUTH),
        "short": Hook(auth=AUTH, payload={"type": "string", "maxLength": 3}),
    },
)


@pytest.fixture
async def door(redis_url: str) -> AsyncIterator[RunningApp]:
    async with running_app(redis_url, DESK, n8n_url=N8N) as running:
        yield running


async def sent(door: RunningApp, payload: object, hook: str = "letters", url: str = SIGNED) -> str:
    headers = {"authorization": "Bearer hook", "bridge-reply-url": url}
    return (await door.client.post(f"/hooks/desk/{hook}", json=payload, headers=headers)).text


async def shown(door: RunningApp) -> object:
    """Return what Claude is shown: the summary, and the payload."""
    taken = await door.runtime.mcp.takers.take(DESK, Principal("desk", "alice"), None, 0, there)
    assert taken
    read = await door.runtime.mcp.events.read("desk", taken.event.event_id, "")
    assert read == taken.payload
    assert SIGNATURE not in taken.event.summary
    return taken.payload


async def test_the_address_and_its_signature_are_taken_out_of_a_payload(door: RunningApp) -> None:
    await sent(door, {"url": SIGNED, "all": [f"at {SIGNED}!", SIGNATURE], "kept": N8N})

    assert await shown(door) == {
        "url": "[secret]",
        "all": ["at [secret]!", "[secret]"],
        "kept": N8N,
    }


async def test_an_address_without_a_signature_is_as_secret(door: RunningApp) -> None:
    url = f"{N8N}/webhook-waiting/7"
    await sent(door, {"url": url}, url=url)

    assert await shown(door) == {"url": "[secret]"}


async def test_a_payload_that_repeats_nothing_is_kept_byte_for_byte(door: RunningApp) -> None:
    body = b'{ "n": 1.50, "e": "\\u00e9" }'
    headers = {"authorization": "Bearer hook", "bridge-reply-url": SIGNED}
    headers["content-type"] = "application/json"
    answer = await door.client.post("/hooks/desk/letters", content=body, headers=headers)

    found = await door.runtime.stores.events.read_body(answer.json()["event_id"])

    assert found
    assert found[1].content == body


async def test_what_is_wrong_with_a_payload_is_told_without_the_address(door: RunningApp) -> None:
    told = json.loads(await sent(door, SIGNED, "short"))

    assert told["status"] == 422
    assert told["errors"] == [{"pointer": "", "detail": '"[secret]" is too long'}]

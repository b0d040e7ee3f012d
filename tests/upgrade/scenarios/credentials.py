"""What lets clients in, and what they are told elsewhere."""

import contextlib
import itertools
import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace

import httpx2

from tests import processes
from tests.doors.by_hand import Message, request
from tests.doors.oauth_by_hand import OAuthClient
from tests.doors.receiver import SECRET
from tests.upgrade.desk import PATIENCE_S, Desk
from tests.upgrade.scenario import Scenario, Stage
from tests.waiting import wait_until

Act = AsyncGenerator[None, None]
SUBSCRIPTION = "x-mcp-subscription-id"


async def a_code_is_good_for_tokens(stage: Stage) -> Act:
    async with client_at(stage.before) as flow:
        code = await flow.code()
        yield
        answer = await at(flow, stage.after).exchange(code)
    assert answer.status_code == 200, answer.text
    assert await lets_in(stage.after, answer.json()["access_token"])


async def a_question_for_consent_can_be_answered(stage: Stage) -> Act:
    async with client_at(stage.before) as flow:
        _, form = await flow.page()
        yield
        answer = await at(flow, stage.after).answer(form)
    assert answer.status_code == 303, answer.text


async def tokens_of_a_grant_are_good_and_renewed(stage: Stage) -> Act:
    async with client_at(stage.before) as flow:
        tokens = await flow.tokens()
        renewed = (await flow.refresh(tokens["refresh_token"])).json()
        yield
        later = at(flow, stage.after)
        assert await lets_in(stage.after, renewed["access_token"])
        answer = await later.refresh(renewed["refresh_token"])
        assert answer.status_code == 200, answer.text
        assert await lets_in(stage.after, answer.json()["access_token"])
        again = await later.refresh(renewed["refresh_token"])
        assert again.status_code == 200, "its successor was not used yet"


async def a_token_made_by_command_is_good_until_it_is_revoked(stage: Stage) -> Act:
    made = await command(stage.before, "tokens", "add", stage.before.server, "carol")
    yield
    assert await lets_in(stage.after, made["token"])
    await command(stage.after, "tokens", "revoke", made["token_id"])
    for desk in (stage.after, stage.before):
        assert not await lets_in(desk, made["token"])


async def a_subscriber_is_told_what_comes(stage: Stage) -> Act:
    """The first event may be told more than once: nothing answers before the change is over."""
    url = f"{stage.receiver.url}&of={stage.before.server}"
    delivery = {"mode": "webhook", "url": url, "secret": SECRET}
    begun = await stage.before.answer(request("events/subscribe", name="told", delivery=delivery))
    subscription = begun["result"]["id"]
    first = await stage.before.sent("told", {"n": 1})
    await is_told(stage, subscription, first)
    yield
    second = await stage.after.sent("told", {"n": 2})
    await is_told(stage, subscription, first, second)


async def is_told(stage: Stage, subscription: str, *events: str) -> None:
    """Wait until a subscriber was told of these events, in this order."""

    def told() -> list[str]:
        came = zip(stage.receiver.headers, stage.receiver.told, strict=True)
        mine = [event for headers, event in came if headers[SUBSCRIPTION] == subscription]
        return [event for event, _ in itertools.groupby(mine)]

    await wait_until(lambda: len(told()) >= len(events), "the subscriber is told", PATIENCE_S)
    assert told() == list(events)


@contextlib.asynccontextmanager
async def client_at(desk: Desk) -> AsyncIterator[OAuthClient]:
    """Register an OAuth client with cookies of its own."""
    public_url = desk.bridge.environ["BRIDGE_PUBLIC_URL"]
    async with httpx2.AsyncClient(timeout=PATIENCE_S, trust_env=False) as http:
        flow = OAuthClient(http, desk.origin, server=desk.server, public_url=public_url)
        await flow.register()
        yield flow


def at(flow: OAuthClient, desk: Desk) -> OAuthClient:
    """Go on with an OAuth client at the process of another desk."""
    return replace(flow, origin=desk.origin)


async def lets_in(desk: Desk, token: str) -> bool:
    """Report whether a token lets anybody in."""
    answer = await replace(desk, token=token).claude.post(request("tools/list"))
    assert answer.status_code in (200, 401)
    return answer.status_code == 200


async def command(desk: Desk, *words: str) -> Message:
    """Run a command of the version of a desk; return what it prints last."""
    environ = desk.bridge.environ | {"PYTHONPATH": str(desk.tree)}
    status, told = await processes.run(*words, "--json", environ=environ, folder=desk.tree)
    assert status == 0, told
    printed: Message = json.loads(told.splitlines()[-1])
    return printed


SCENARIOS = (
    Scenario(a_code_is_good_for_tokens),
    Scenario(a_question_for_consent_can_be_answered),
    Scenario(tokens_of_a_grant_are_good_and_renewed),
    Scenario(a_subscriber_is_told_what_comes),
    Scenario(a_token_made_by_command_is_good_until_it_is_revoked, needs_lives=True),
)

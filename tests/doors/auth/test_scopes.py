"""What a token is good for: what is outside its scope is not there."""

import asyncio

import httpx2
import pytest

from bridge.app import BridgeApp
from bridge.auth.authentication import EVERYTHING, Scope
from bridge.configuration.settings import Settings
from bridge.models import EventStatus
from bridge.runtime import Runtime
from tests.doors.by_hand import ALICE, request
from tests.doors.scoped import CLERK, DESK, READER, SEEN, client, names, send, token_for, told
from tests.serving import serving
from tests.standing import Webs
from tests.waiting import takers_in_line, wait_until


@pytest.fixture
async def app(settings: Settings, webs: Webs) -> BridgeApp:
    return await webs.app(build, settings)


def build(settings: Settings) -> BridgeApp:
    return BridgeApp(settings, {DESK.name: DESK})


@pytest.mark.parametrize("who", SEEN)
async def test_a_list_shows_what_the_principal_may_use_and_no_more(
    web: str, http: httpx2.AsyncClient, runtime: Runtime, who: str
) -> None:
    scope, seen = SEEN[who]
    token = await token_for(runtime, "someone", scope)
    assert await names(client(http, web, token)) == seen
    listed = (await client(http, web, token).post(request("tools/list"))).json()["result"]
    assert listed["cacheScope"] == "private"


@pytest.mark.parametrize("who", SEEN)
async def test_a_tool_outside_the_scope_is_an_unknown_tool(
    web: str, http: httpx2.AsyncClient, runtime: Runtime, who: str
) -> None:
    scope, seen = SEEN[who]
    narrow = client(http, web, await token_for(runtime, "someone", scope))
    everything = await names(client(http, web, ALICE))
    for tool in set(everything) - set(seen):
        unknown = await told(narrow, "no_such_tool")
        outside = await told(narrow, tool, x=1)
        assert outside["error"]["code"] == -32602
        assert outside["error"]["message"] == unknown["error"]["message"].replace(
            "no_such_tool", tool
        )


async def test_events_of_a_hook_outside_the_scope_are_not_there(
    web: str, http: httpx2.AsyncClient, runtime: Runtime
) -> None:
    clerk = client(http, web, await token_for(runtime, "clerk", CLERK))
    alarm, letter = await send(runtime, "alarms"), await send(runtime, "letters")
    alice = client(http, web, ALICE)
    lease = (await told(alice, "take_event"))["result"]["structuredContent"]

    listed = (await told(clerk, "list_events"))["result"]["structuredContent"]["events"]
    assert [event["event_id"] for event in listed] == [letter]
    refused = (await told(clerk, "list_events", hook="alarms"))["result"]["content"][0]["text"]
    assert refused == 'no hook "alarms" here; there are: letters'
    for tool, rest in {
        "take_event": {},
        "read_event": {},
        "reply_to_event": {"lease": lease["lease"], "reply": 1},
        "extend_event": {"lease": lease["lease"], "seconds": 60},
        "release_event": {"lease": lease["lease"]},
    }.items():
        outside = await told(clerk, tool, event_id=alarm, **rest)
        assert outside["result"]["isError"]
        assert outside == await told(clerk, tool, event_id="evt_unknown", **rest)
    assert (await runtime.mcp.events.find("desk", alarm)).status is EventStatus.LEASED
    assert (await told(clerk, "read_event", event_id=letter))["result"]["structuredContent"]


async def test_a_taker_takes_within_its_scope_whatever_else_is_queued(
    web: str, http: httpx2.AsyncClient, runtime: Runtime
) -> None:
    clerk = client(http, web, await token_for(runtime, "clerk", CLERK))
    await send(runtime, "alarms")
    assert (await told(clerk, "take_event"))["result"]["structuredContent"] == {"event_id": None}
    letter = await send(runtime, "letters")
    taken = (await told(clerk, "take_event"))["result"]["structuredContent"]
    assert (taken["event_id"], taken["hook"]) == (letter, "letters")


async def test_a_taker_of_one_scope_does_not_hold_up_those_of_another(
    web: str, http: httpx2.AsyncClient, runtime: Runtime
) -> None:
    clerk = client(http, web, await token_for(runtime, "clerk", CLERK))
    waiting = asyncio.create_task(told(clerk, "take_event", wait_seconds=60))
    await wait_until(lambda: takers_in_line(runtime.redis), "the clerk stands in line")
    alarm = await send(runtime, "alarms")
    taken = (await told(client(http, web, ALICE), "take_event"))["result"]["structuredContent"]
    assert taken["event_id"] == alarm
    letter = await send(runtime, "letters")
    assert (await waiting)["result"]["structuredContent"]["event_id"] == letter


async def test_whoever_only_reads_cannot_end_a_task(
    web: str, http: httpx2.AsyncClient, runtime: Runtime
) -> None:
    reader = client(http, web, await token_for(runtime, "reader", READER))
    started = (await told(reader, "look_up"))["result"]["structuredContent"]
    refused = await told(reader, "cancel_call", call_id=started["call_id"])
    assert refused["error"]["code"] == -32602


async def test_a_token_of_another_server_is_no_token(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    other = DESK.model_copy(update={"name": "other"})
    app = BridgeApp(settings, {"desk": DESK, "other": other})
    async with serving(app) as web:
        token = await token_for(app.runtime, "someone", EVERYTHING)
        answer = await http.post(f"{web}/mcp/other", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 401


async def test_one_name_has_one_set_of_rights(runtime: Runtime) -> None:
    await token_for(runtime, "clerk", CLERK)
    await token_for(runtime, "clerk", CLERK, 60)
    with pytest.raises(Exception, match="other rights"):
        await token_for(runtime, "clerk", EVERYTHING)
    with pytest.raises(Exception, match="other rights"):
        await token_for(runtime, "alice", CLERK)
    with pytest.raises(Exception, match="no hook nowhere here"):
        await token_for(runtime, "x", Scope(hooks=frozenset({"nowhere"})))

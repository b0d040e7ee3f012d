"""A token that was taken back is good for nothing, at once and on every web process."""

import asyncio
import logging

import httpx2
import pytest

from bridge.app import BridgeApp
from bridge.auth.authentication import EVERYTHING
from bridge.configuration.servers import Server
from bridge.configuration.settings import Settings
from bridge.errors import ConfigurationError
from bridge.runtime import Runtime
from tests.apps import running_app
from tests.doors.by_hand import ALICE, authorization, call, open_pipe, open_session, request
from tests.doors.scoped import CLERK, DESK, client, names, send, token_for, told
from tests.serving import serving
from tests.standing import Webs

OPEN = Server(name="open")
HOOK = {"authorization": "Bearer hook"}


@pytest.fixture
async def app(settings: Settings, webs: Webs) -> BridgeApp:
    return await webs.app(build, settings)


def build(settings: Settings) -> BridgeApp:
    return BridgeApp(settings, {DESK.name: DESK, OPEN.name: OPEN})


async def revoke_all(runtime: Runtime) -> None:
    for token in await runtime.mcp.authenticator.tokens.list():
        await runtime.mcp.authenticator.tokens.revoke(token.token_id)


async def test_a_revoked_token_is_refused_by_every_process(
    web: str, settings: Settings, http: httpx2.AsyncClient, runtime: Runtime
) -> None:
    token = await token_for(runtime, "someone", EVERYTHING)
    async with serving(BridgeApp(settings, {DESK.name: DESK})) as other_web:
        assert await names(client(http, other_web, token))
        await revoke_all(runtime)
        for origin in (web, other_web):
            answer = await client(http, origin, token).post(request("tools/list"))
            assert answer.status_code == 401


async def test_open_streams_of_every_wire_end_with_their_token(
    settings: Settings,
    http: httpx2.AsyncClient,
    runtime: Runtime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bridge.mcp.wires.streamable_2026.OPEN_WITHIN_S", 0.1)
    token = await token_for(runtime, "someone", EVERYTHING)
    async with (
        serving(BridgeApp(settings, {DESK.name: DESK})) as far,
        open_pipe(http, far, token=token) as pipe,
        open_pipe(http, far, token=ALICE) as of_another,
    ):
        session = await open_session(http, f"{far}/mcp/desk", token=token)
        waiting = client(http, far, token).stream(call("take_event", wait_seconds=300))
        async with (
            waiting as modern,
            http.stream("GET", f"{far}/mcp/desk", headers=session.headers) as standing,
        ):
            await revoke_all(runtime)
            async with asyncio.timeout(20):
                await modern.aread()
                await standing.aread()
                assert [event async for event in pipe.stream if event.data] == []
        assert (await anext(of_another.stream)).comment


async def test_the_last_token_taken_back_opens_a_server_on_loopback_alone(
    web: str, http: httpx2.AsyncClient, runtime: Runtime, redis_url: str
) -> None:
    await runtime.mcp.authenticator.tokens.add(OPEN, "someone", EVERYTHING, None)
    assert (await http.post(f"{web}/mcp/open", json=request("ping"))).status_code == 401
    async with running_app(redis_url, OPEN, host="0.0.0.0") as door:
        await revoke_all(runtime)
        assert (await door.client.post("/mcp/open", json=request("ping"))).status_code == 401
    assert (await http.post(f"{web}/mcp/open", json=request("ping"))).status_code != 401


async def test_a_token_that_was_made_lets_a_server_start_off_loopback(
    redis_url: str, runtime: Runtime
) -> None:
    with pytest.raises(ConfigurationError, match="server open has no tokens"):
        async with running_app(redis_url, OPEN, host="0.0.0.0"):
            pass
    await runtime.mcp.authenticator.tokens.add(OPEN, "someone", EVERYTHING, None)
    async with running_app(redis_url, OPEN, host="0.0.0.0") as door:
        assert (await door.client.get("/readyz")).status_code == 200


async def test_every_act_is_on_record_by_who_and_which_and_no_secret(
    web: str, http: httpx2.AsyncClient, runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    token = await token_for(runtime, "clerk", CLERK)
    clerk = client(http, web, token)
    with caplog.at_level(logging.INFO, "audit"):
        sent = await http.post(f"{web}/hooks/desk/letters", json={"a": "private"}, headers=HOOK)
        taken = (await told(clerk, "take_event"))["result"]["structuredContent"]
        await told(clerk, "reply_to_event", event_id=taken["event_id"], lease="none", reply="x")
        lease = {"event_id": taken["event_id"], "lease": taken["lease"]}
        await told(clerk, "reply_to_event", **lease, reply="private")
        await told(clerk, "list_events")
        await http.post(f"{web}/mcp/desk?token=private", headers=authorization("private"))
        started = await told(client(http, web, ALICE), "stamp")
        await http.post(f"{web}/callbacks/x?token=private", json={"result": 1})
    lines = [record for record in caplog.records if record.name == "audit"]
    event_id, call_id = sent.json()["event_id"], started["result"]["structuredContent"]["call_id"]
    assert [(line.who, line.what, line.which, line.outcome) for line in lines] == [  # type: ignore[attr-defined]
        ("desk/hooks/letters", "event", event_id, "done"),
        ("desk/clerk", "take_event", event_id, "done"),
        ("desk/clerk", "reply_to_event", event_id, "refused"),
        ("desk/clerk", "reply_to_event", event_id, "done"),
        ("unknown", "POST /mcp/desk", "", "unauthorized"),
        ("desk/alice", "stamp", call_id, "done"),
    ]
    assert not any("private" in str(vars(line)) or token in str(vars(line)) for line in lines)


async def test_nothing_of_a_token_is_kept_but_its_digest(runtime: Runtime, redis_url: str) -> None:
    token = await token_for(runtime, "someone", EVERYTHING)
    await send(runtime, "letters")
    kept = await runtime.redis.hgetall("{bridge}:tokens")
    assert len(token) >= 3 + 22
    assert token not in str(kept)

"""Webhooks of the Events extension: who may have them, and what their receivers are told.

Source: SEP-3415, "Webhook-Based Delivery".
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from os import fsdecode
from pathlib import Path

import httpx2
import pytest

from bridge.app import BridgeApp
from bridge.auth.authentication import Scope
from bridge.configuration.settings import Settings
from bridge.handler_processes.pool import HandlerProcesses
from bridge.n8n.client import N8n
from bridge.net.public_http import is_public
from bridge.net.receivers import Receivers
from bridge.runtime import Runtime, open_runtime
from bridge.store.subscriptions import DUE
from tests.doors.by_hand import ALICE, BOB, Message
from tests.doors.conftest import DESK, build
from tests.doors.every_wire import asking, send
from tests.doors.receiver import OTHER_SECRET, SECRET, Receiver, receiving
from tests.serving import serving
from tests.waiting import wait_until
from tests.working import with_receivers, working
from workers.jobs import jobs


@dataclass
class Bridge:
    """A bridge whose web and worker may send to `receiver`, and a client of alice's."""

    web: str
    http: httpx2.AsyncClient
    receiver: Receiver
    app: BridgeApp

    @property
    def runtime(self) -> Runtime:
        """Return what the web process works with."""
        runtime: Runtime = self.app.runtime
        return runtime

    async def ask(self, method: str, token: str = ALICE, **params: object) -> Message:
        """Ask about the letters; returns the answer."""
        async with asking("2026", self.http, self.web, token) as ask:
            return await ask(method, **{"name": "letters", **params})

    async def subscribe(self, token: str = ALICE, **changes: object) -> Message:
        """Subscribe to the letters, or renew that; returns the answer."""
        where = {"mode": "webhook", "url": self.receiver.url, "secret": SECRET}
        delivery = where | {name: to for name, to in changes.items() if name in where}
        others = {name: to for name, to in changes.items() if name not in where}
        return await self.ask("events/subscribe", token, delivery=delivery, **others)

    async def unsubscribe(self, token: str = ALICE) -> Message:
        """End the subscription to the letters; returns the answer."""
        where = {"url": self.receiver.url}
        return await self.ask("events/unsubscribe", token, delivery=where)

    async def kept(self, subscription_id: str, field: str) -> str:
        """Read what is on record of a subscription."""
        key = f"{{bridge}}:subscription:{subscription_id}"
        return fsdecode(await self.runtime.redis.hget(key, field) or b"")

    async def send(self, payload: object) -> str:
        """Have n8n send a letter; returns its id."""
        return await send(self.http, self.web, payload)


@pytest.fixture
async def bridge(
    settings: Settings, http: httpx2.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Bridge]:
    monkeypatch.setattr("bridge.verbs.subscriptions.PAUSES_S", (0.05, 0.05))
    app = build(settings)
    async with receiving(tmp_path) as receiver, serving(app) as web:
        receivers = Receivers(receiver.http)
        app.mcp.runtime = with_receivers(app.runtime, receivers).mcp
        async with delivering(settings, receivers):
            yield Bridge(web, http, receiver, app)


@contextlib.asynccontextmanager
async def delivering(settings: Settings, receivers: Receivers) -> AsyncIterator[None]:
    """Run a worker's job for what is due, without the seconds that a whole worker takes to end."""
    async with open_runtime(settings, {DESK.name: DESK}, "worker", 5) as opened, N8n() as n8n:
        runtime = with_receivers(opened, receivers)
        functions = jobs(runtime.workers, n8n, HandlerProcesses({}))
        deliver = functions["workers.jobs.deliver_occurrences"]

        async def run() -> None:
            with runtime.workers.signals.subscribed(DUE) as woken:
                while True:
                    due = await runtime.stores.subscriptions.sweep(100, 10)
                    await asyncio.gather(*map(deliver, due))
                    await woken.wait(0.05)

        running = asyncio.create_task(run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


# Beginning


async def test_a_receiver_is_told_once_it_has_proved_itself(bridge: Bridge) -> None:
    begun = (await bridge.subscribe())["result"]
    assert begun["resultType"] == "complete"
    assert begun["id"].startswith("sub_")
    assert (begun["truncated"], bridge.receiver.proofs) == (False, 1)
    assert "deliveryStatus" not in begun
    event_id = await bridge.send({"letter": "Dear all"})
    await bridge.receiver.heard(1)
    (message,) = bridge.receiver.messages
    assert (message["eventId"], message["name"]) == (event_id, "letters")
    assert message["data"]["payload"] == {"letter": "Dear all"}
    assert bridge.receiver.ids == [event_id]
    assert bridge.receiver.headers[0]["x-mcp-subscription-id"] == begun["id"]


async def test_telling_takes_nothing(bridge: Bridge) -> None:
    await bridge.subscribe()
    event_id = await bridge.send("Dear all")
    await bridge.receiver.heard(1)
    taken = await bridge.ask("tools/call", name="take_event", arguments={})
    assert taken["result"]["structuredContent"]["event_id"] == event_id
    assert taken["result"]["structuredContent"]["attempt"] == 1


async def test_what_came_before_is_told_from_a_cursor_on(bridge: Bridge) -> None:
    cursor = (await bridge.ask("events/poll"))["result"]["cursor"]
    sent = [await bridge.send(n) for n in range(3)]
    assert (await bridge.subscribe(cursor=cursor))["result"]["cursor"] == cursor
    await bridge.receiver.heard(3)
    assert bridge.receiver.told == sent


async def test_a_cursor_older_than_what_is_kept_says_that_something_may_be_missing(
    bridge: Bridge,
) -> None:
    assert (await bridge.subscribe(cursor="1"))["result"]["truncated"]


@pytest.mark.parametrize(
    ("asked_s", "granted_s"), [(1, 60), (3600, 3600), (10**7, 86400), (None, 86400)]
)
async def test_a_subscription_lasts_as_long_as_asked_within_bounds(
    bridge: Bridge, asked_s: int | None, granted_s: int
) -> None:
    ttl_ms = None if asked_s is None else asked_s * 1000
    begun = (await bridge.subscribe(ttlMs=ttl_ms))["result"]
    left = datetime.fromisoformat(begun["refreshBefore"]) - datetime.now(UTC)
    assert abs(left - timedelta(seconds=granted_s)) < timedelta(seconds=10)


async def test_a_receiver_that_says_nothing_back_is_told_nothing(bridge: Bridge) -> None:
    bridge.receiver.says_back = False
    error = (await bridge.subscribe())["error"]
    assert (error["code"], error["data"]) == (-32027, {"reason": "challenge_failed"})
    await bridge.send("Dear all")
    assert (await bridge.unsubscribe())["error"]["code"] == -32023
    assert bridge.receiver.messages == []


async def test_nobody_makes_the_bridge_ask_its_own_network(bridge: Bridge) -> None:
    """A bridge as it is started: the name leads to this machine, which is not public."""
    wary = replace(bridge.receiver.http, is_let=is_public)
    bridge.app.mcp.runtime = with_receivers(bridge.runtime, Receivers(wary)).mcp
    error = (await bridge.subscribe())["error"]
    assert (error["code"], error["data"]) == (-32027, {"reason": "connection_refused"})
    assert bridge.receiver.proofs == 0


async def test_a_host_is_not_asked_for_proofs_for_ever(bridge: Bridge) -> None:
    bridge.receiver.says_back = False
    for n in range(10):
        url = bridge.receiver.url + str(n)
        assert (await bridge.subscribe(url=url))["error"]["code"] == -32027
    error = (await bridge.subscribe())["error"]
    assert error["code"] == -32025
    assert error["data"] == {"limit": "verifications of a host in a minute", "max": 10}


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"name": "parcels"}, -32023),
        ({"url": "http://receiver.example/"}, -32602),
        ({"url": "https://user:word@receiver.example/"}, -32602),
        ({"url": "https://receiver.example/#x"}, -32602),
        ({"url": "https://receiver.example:99999/"}, -32602),
        ({"secret": "whsec_c2hvcnQ="}, -32602),
        ({"secret": SECRET.removeprefix("whsec_")}, -32602),
        ({"secret": ""}, -32602),
        ({"mode": "push"}, -32026),
        ({"arguments": {"from": "x"}}, -32602),
        ({"cursor": "x"}, -32602),
    ],
)
async def test_a_subscription_that_cannot_be_is_refused(
    bridge: Bridge, wrong: Message, code: int
) -> None:
    assert (await bridge.subscribe(**wrong))["error"]["code"] == code
    assert bridge.receiver.proofs == 0


async def test_a_principal_has_only_so_many_subscriptions(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.verbs.subscriptions.OF_PRINCIPAL_MAX", 1)
    begun = (await bridge.subscribe())["result"]
    refused = (await bridge.subscribe(url=f"{bridge.receiver.url}&of=more"))["error"]
    assert (refused["code"], refused["data"]) == (-32025, {"limit": "subscriptions", "max": 1})
    assert (await bridge.subscribe())["result"]["id"] == begun["id"]
    assert "result" in await bridge.subscribe(BOB)


async def test_who_may_only_read_polls_and_streams(bridge: Bridge) -> None:
    made = await bridge.runtime.mcp.authenticator.tokens.add(
        DESK, "reader", Scope(acts=False), None
    )
    assert (await bridge.subscribe(made[0]))["error"]["code"] == -32024
    (letters,) = (await bridge.ask("events/list", made[0]))["result"]["events"]
    assert letters["delivery"] == ["poll", "push"]


async def test_where_webhooks_are_turned_off_none_is_offered(
    bridge: Bridge,
) -> None:
    turned_off = bridge.runtime.mcp.settings.model_copy(update={"event_webhooks": False})
    bridge.app.mcp.runtime = replace(bridge.app.mcp.runtime, settings=turned_off)
    assert (await bridge.subscribe())["error"]["code"] == -32026
    (letters,) = (await bridge.ask("events/list"))["result"]["events"]
    assert letters["delivery"] == ["poll", "push"]


# Going on


async def test_a_renewed_subscription_is_the_same_one_and_proves_nothing_anew(
    bridge: Bridge,
) -> None:
    first = (await bridge.subscribe())["result"]
    await bridge.send("Dear all")
    await bridge.receiver.heard(1)
    again = (await bridge.subscribe())["result"]
    assert (again["id"], bridge.receiver.proofs) == (first["id"], 1)
    assert again["deliveryStatus"]["active"]
    assert again["deliveryStatus"]["lastError"] is None
    assert again["deliveryStatus"]["lastDeliveryAt"]
    await bridge.send("Dear all")
    await bridge.receiver.heard(2)
    assert len(set(bridge.receiver.told)) == 2


async def test_a_new_secret_signs_beside_the_old_one_for_a_while(bridge: Bridge) -> None:
    await bridge.subscribe()
    await bridge.subscribe(secret=OTHER_SECRET)
    bridge.receiver.secrets = (OTHER_SECRET, SECRET)
    await bridge.send("Dear all")
    await bridge.receiver.heard(1)
    assert bridge.receiver.told


async def test_each_principal_has_a_subscription_of_its_own(bridge: Bridge) -> None:
    of_alice = (await bridge.subscribe())["result"]["id"]
    assert (await bridge.unsubscribe(BOB))["error"]["code"] == -32023
    assert (await bridge.subscribe(BOB))["result"]["id"] != of_alice
    assert bridge.receiver.proofs == 2


async def test_who_has_unsubscribed_is_told_no_more(bridge: Bridge) -> None:
    await bridge.subscribe()
    await bridge.subscribe(BOB)
    assert (await bridge.unsubscribe())["result"]["resultType"] == "complete"
    event_id = await bridge.send("Dear all")
    await bridge.receiver.heard(1)
    await bridge.send("Dear all")
    await bridge.receiver.heard(2)
    assert bridge.receiver.told[0] == event_id
    assert len(set(bridge.receiver.told)) == 2
    gone = (await bridge.unsubscribe())["error"]
    assert (gone["code"], gone["data"]) == (-32023, {"kind": "subscription"})


# What is not taken


async def test_what_is_not_taken_is_told_again_and_holds_up_what_comes_after(
    bridge: Bridge,
) -> None:
    await bridge.subscribe()
    bridge.receiver.answers = [503, 500]
    first, second = [await bridge.send(n) for n in range(2)]
    await bridge.receiver.heard(4)
    assert bridge.receiver.told == [first, first, first, second]


@pytest.mark.parametrize("status", [410, 413])
async def test_what_a_receiver_refuses_for_good_is_not_told_again(
    bridge: Bridge, status: int
) -> None:
    await bridge.subscribe()
    bridge.receiver.answers = [status]
    sent = [await bridge.send(n) for n in range(2)]
    await bridge.receiver.heard(2)
    assert bridge.receiver.told == sent


async def test_a_receiver_that_fails_too_often_is_left_alone_until_its_client_renews(
    bridge: Bridge,
) -> None:
    subscription_id = (await bridge.subscribe())["result"]["id"]
    bridge.receiver.answers = [500] * 3
    event_id = await bridge.send("Dear all")
    await bridge.receiver.heard(3)

    async def is_left_alone() -> bool:
        return await bridge.kept(subscription_id, "suspended") == "1"

    await wait_until(is_left_alone, "nothing more is sent")
    status = (await bridge.subscribe())["result"]["deliveryStatus"]
    assert (status["active"], status["lastError"]) == (False, "http_5xx")
    assert status["failedSince"]
    await bridge.receiver.heard(4)
    assert set(bridge.receiver.told) == {event_id}


async def test_what_is_never_taken_is_given_up_for_a_gap(bridge: Bridge) -> None:
    await bridge.subscribe()
    bridge.receiver.answers = [500] * 6
    lost = await bridge.send("Dear all")
    await bridge.receiver.heard(3)
    kept = await bridge.send("Dear you")

    async def has_given_up() -> bool:
        await bridge.subscribe()
        return kept in bridge.receiver.told

    await wait_until(has_given_up, "the next one is told")
    gap, told = bridge.receiver.messages[-2:]
    assert [message["eventId"] for message in bridge.receiver.messages[:6]] == [lost] * 6
    assert gap["type"] == "gap"
    assert int(gap["cursor"]) < int(told["cursor"])
    assert told["eventId"] == kept


async def test_who_loses_the_right_is_told_so_and_nothing_else(bridge: Bridge) -> None:
    tokens = bridge.runtime.mcp.authenticator.tokens
    token, made = await tokens.add(DESK, "clerk", Scope(), None)
    await bridge.subscribe(token)
    await tokens.revoke(made.token_id)
    await bridge.send("Dear all")
    await bridge.receiver.heard(1)
    (message,) = bridge.receiver.messages
    assert message["type"] == "terminated"
    assert message["error"]["code"] == -32024
    await bridge.send("Dear all")
    await bridge.subscribe()
    await bridge.send("Dear you")
    await bridge.receiver.heard(2)
    assert len(bridge.receiver.told) == 1


async def test_what_was_not_surely_taken_is_told_again_by_the_same_id(bridge: Bridge) -> None:
    """The process that told it is taken for dead before it had its answer."""
    subscription_id = (await bridge.subscribe())["result"]["id"]
    bridge.receiver.gate.clear()
    event_id = await bridge.send("Dear all")
    await bridge.receiver.heard(1)
    lease = await bridge.kept(subscription_id, "lease")
    await bridge.runtime.stores.subscriptions.abandon(subscription_id, lease)
    bridge.receiver.gate.set()
    await bridge.receiver.heard(2)
    assert bridge.receiver.ids == [event_id] * 2


async def test_a_worker_tells_what_comes(settings: Settings, bridge: Bridge) -> None:
    """A whole one, woken by the event; the other one has left everything to it."""
    await bridge.subscribe()
    receivers = Receivers(bridge.receiver.http)
    async with working(settings, DESK, receivers=receivers):
        sent = [await bridge.send(n) for n in range(3)]
        await bridge.receiver.heard(3)
    assert bridge.receiver.told == sent

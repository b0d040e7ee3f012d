"""The layout of the store: on every record, and looked at before every step."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from os import fsdecode
from typing import Any

import pytest
from redis.asyncio import Redis

from bridge.errors import OutdatedError
from bridge.models import BulkId, CallId, Owed, Session, SubscriptionId, new_process_id
from bridge.store import layout
from bridge.store.bulks import BulkStore, NewBulk
from bridge.store.grants import ConsentRequest, DigestedPair, Granted, GrantStore
from bridge.store.identity import IdentityStore
from bridge.store.keys import KEYS, PREFIX, owner_of
from bridge.store.layout import MARK, NEWEST
from bridge.store.outbox import Outbox
from bridge.store.sessions import SessionStore, StreamStore
from bridge.store.subscriptions import NewSubscription, SubscriptionStore
from tests.store.call_records import new_call
from tests.store.records import ALICE, HOOK, SERVER, WEB, Desk, new_event, wish

RECORDS = {
    "event",
    "idempotency",
    "reply",
    "subscription",
    "call",
    "session",
    "oauth_code",
    "oauth_grant",
    "bulk",
}
"""The families whose keys are a record each, with a layout of its own in `v`."""

COLLECTIONS = {
    "counted",
    "counters",
    "minute",
    "takers",
    "breakers",
    "places",
    "fair_turns",
    "lists",
    "owed",
    "dropped",
    "tokens",
    "findings",
    "alerts",
    "alert_receiver",
    "caller_keys",
}
"""The hashes of many small things, which say themselves what they are or are all alike."""

LATER = NEWEST + 1
PROCESSES = f"{PREFIX}processes"
ASKED = ConsentRequest(
    "client", "Claude", "https://a.example/", True, None, "challenge", (), "mcp", SERVER
)


def test_every_hash_is_a_record_or_a_collection() -> None:
    assert {key.name for key in KEYS if key.type == "hash"} == RECORDS | COLLECTIONS


async def test_every_record_says_in_which_layout_it_is(web: Desk) -> None:
    await fill(web)
    found = {}
    async for key in web.redis.scan_iter(f"{PREFIX}*"):
        family = owner_of(fsdecode(key))
        if family and family.name in RECORDS:
            found[family.name] = int(await web.redis.hget(fsdecode(key), "v") or 0)
    assert found == dict.fromkeys(RECORDS, NEWEST)


async def test_every_frame_says_so_behind_what_earlier_versions_read(web: Desk) -> None:
    await Outbox(web.steps).append("session", "stream", b"{}")
    found: Any = await web.redis.xrange(f"{PREFIX}outbox:session:stream")
    ((_, frame),) = found
    assert list(frame.items())[-1] == (b"v", b"%d" % NEWEST)


async def test_what_is_kept_as_json_says_so_too(web: Desk) -> None:
    await web.take(wish(waiter="waiter"))
    (taker,) = await hash_of(web.redis, f"takers:{WEB}")
    assert json.loads(taker)["v"] == NEWEST

    owed = Owed({"id": 1, "method": "ping"}, CallId("call_1"))
    await StreamStore(web.steps, WEB).register("session", "stream", owed, apart=True)
    (request,) = await hash_of(web.redis, "owed:session")
    assert json.loads(request)[-1] == NEWEST


async def hash_of(redis: Redis, key: str) -> list[bytes]:
    """Read the values of a hash of the bridge."""
    values: Any = await redis.hvals(f"{PREFIX}{key}")
    return list(values)


async def fill(web: Desk) -> None:
    """Put a record of each family on record."""
    await web.events.accept(new_event(idempotency="key"))
    await web.calls.create(new_call())
    await SessionStore(web.steps).write(Session("session", ALICE, "mcp", ""))
    subscription = SubscriptionId("sub_1")
    url, secret = "https://receiver.example/", "whsec_1"
    asked = NewSubscription(subscription, ALICE, HOOK, url, secret, "100", "", 60)
    await SubscriptionStore(web.steps, WEB).keep(asked, 1)
    bulk = NewBulk(BulkId("bulk_1"), "events", "redrive", "ann", "{}", "{}", is_cut=False)
    await BulkStore(web.steps).create(bulk)
    grants = GrantStore(web.steps)
    await grants.decide("question", "code", Granted(ASKED, "alice", "proof"))
    await grants.exchange("code", "grant", DigestedPair("access", "refresh", ""))


# A store in a later layout


@pytest.fixture
async def later(web: Desk) -> AsyncIterator[Desk]:
    """Give a process whose store has gone on to a layout that it does not read."""
    await fill(web)
    await web.redis.set(f"{PREFIX}layout", LATER)
    yield web
    await web.redis.delete(f"{PREFIX}layout")


STEPS: dict[str, Callable[[Desk], Awaitable[object]]] = {
    "accept": lambda desk: desk.events.accept(new_event()),
    "take": lambda desk: desk.take(),
    "call": lambda desk: desk.calls.create(new_call()),
    "beat": lambda desk: desk.processes.beat(),
    "lead": lambda desk: desk.processes.rules(),
    "sweep": lambda desk: desk.events.sweep(),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=list(STEPS))
async def test_no_step_is_taken_of_a_store_in_a_later_layout(
    later: Desk, step: Callable[[Desk], Awaitable[object]]
) -> None:
    before = await later.everything()
    with pytest.raises(OutdatedError, match="later layout"):
        await step(later)
    assert await later.everything() == before
    assert later.steps.ended.is_set()


async def test_who_would_insist_gives_up_at_once_too(redis: Redis, later: Desk) -> None:
    later.steps._is_insistent = True
    with pytest.raises(OutdatedError, match="later layout"):
        await later.processes.beat()


# Going on to a later one


async def test_a_store_says_its_layout_once_it_has_a_name(web: Desk) -> None:
    await IdentityStore(web.steps).read("name")
    assert await layout_of(web.redis) == NEWEST


@pytest.fixture
def two_layouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have leaders be of the version that brings the next layout."""
    monkeypatch.setattr(layout, "NEWEST", LATER)


@pytest.mark.usefixtures("two_layouts")
@pytest.mark.parametrize("other", [f"web-2@{NEWEST}", "web-2", "worker-2"])
async def test_the_store_goes_on_once_no_process_is_left_that_would_not_follow(
    web: Desk, redis: Redis, other: str
) -> None:
    await redis.zrem(PROCESSES, WEB)
    await redis.zadd(PROCESSES, {f"web-1@{LATER}": 1, other: 0})
    assert await web.processes.rules()
    assert await layout_of(redis) == 0

    await redis.zrem(PROCESSES, other)
    assert await web.processes.rules()
    assert await layout_of(redis) == LATER


async def test_a_process_says_which_layouts_it_reads() -> None:
    assert new_process_id("web", MARK).endswith(f"@{NEWEST}")


async def layout_of(redis: Redis) -> int:
    """Read the layout of the store; 0 where it names none."""
    return int(await redis.get(f"{PREFIX}layout") or 0)

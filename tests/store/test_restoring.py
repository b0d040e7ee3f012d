"""A restored store: all that is made anew of records stands where the steps had put it."""

import contextlib

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bridge.errors import StoreUnavailableError
from bridge.formats.backup_file import KeptRecord
from bridge.models import (
    CallId,
    CallStatus,
    EventId,
    EventStatus,
    ReplyStatus,
    new_event_id,
    new_lease_token,
)
from bridge.store.approvals import ApprovalStore
from bridge.store.backup import BackupStore
from bridge.store.backup_families import MADE_ANEW, family_of
from bridge.store.identity import IdentityStore
from bridge.store.keys import PREFIX
from bridge.store.new_calls import NewApproval
from bridge.store.pool import connected_to
from bridge.store.restoring import BESIDE, RestoredStore
from bridge.store.subscriptions import SubscriptionStore
from bridge.verbs.mending import mended
from tests.store.call_records import new_call, run_sent
from tests.store.records import ADDRESS, HOOK, SERVER, WEB, Desk, contents
from tests.store.test_replies import pending
from tests.store.test_subscriptions import WISH

BY_MEMBERS = ("due_", "approvals", "slots", "callers", "call_servers")
"""How the names of indexes begin whose moments may be others after a restore."""


async def test_each_record_stands_in_each_index_again_that_it_stood_in(
    web: Desk, redis: Redis
) -> None:
    await IdentityStore(web.steps).read("a-store")
    await write_events(web)
    await write_calls(web)
    await SubscriptionStore(web.steps, WEB).keep(WISH, 1)
    before = await indexes(redis)
    backup, restored = BackupStore(web.steps, redis), RestoredStore(redis)
    standing, records = await backup.standing(), [each async for each in backup.records()]
    assert standing.name
    await restored.begin()
    now_ms = await restored.now_ms()
    await restored.add([mended(each, now_ms, was_running=False) for each in records], now_ms)
    await restored.finish(standing.name, await restored.order(), standing.layout)
    assert await restored.lacking_beside(records) == await restored.lacking_indexes() == []
    await restored.replace()
    after = await indexes(redis)
    assert after == before
    assert {name.split(":")[0] for name in before} >= {"questions", "slots", "dead_replies"}


async def test_what_redis_has_not_kept_is_named(web: Desk, redis: Redis) -> None:
    event = await web.accept()
    records = [each async for each in BackupStore(web.steps, redis).records()]
    restored = RestoredStore(redis)
    await restored.add(records, await restored.now_ms())
    assert await restored.lacking_beside(records) == await restored.lacking_indexes() == []
    await redis.delete(f"{BESIDE}reply:{event.event_id}", f"{BESIDE}inbox:{SERVER}:{HOOK}:queued")
    assert await restored.lacking_beside(records) == [f"event:{event.event_id}"]
    assert await restored.lacking_indexes() == [f"inbox:{SERVER}:{HOOK}:queued"]
    await restored.clear()


async def test_what_one_server_was_given_no_other_is_put_in_place_of(
    redis_url: str, web: Desk, redis: Redis
) -> None:
    await web.accept()
    records = [each async for each in BackupStore(web.steps, redis).records()]
    with connected_to(redis_url) as client:
        restored = RestoredStore(client)
        await restored.begin()
        await restored.add(records, await restored.now_ms())
        # As when Redis is replaced: the next command is sent to another server, perhaps.
        await redis.client_kill_filter(_type="normal", skipme=True)
        with contextlib.suppress(RedisError):
            await restored.now_ms()
        with pytest.raises(StoreUnavailableError, match="begin again"):
            await restored.hold()
    await RestoredStore(redis).clear()


async def write_events(web: Desk) -> None:
    """Have an event of every kind."""
    await web.events.release(await web.taken(), status="dead", reason="no use")
    await web.events.release(await web.taken(), status="delayed", delay_s=3600)
    for status in (ReplyStatus.DEAD, ReplyStatus.DELIVERED):
        sending = await web.replies.lease(await pending(web), new_lease_token())
        assert sending
        await web.replies.settle(sending, status)
    await pending(web)
    await web.taken(reply_url=ADDRESS)
    await web.accept(hook="other", idempotency="a key")


async def write_calls(web: Desk) -> None:
    """Have a call of every kind, two of them with questions; nobody runs one any more."""
    await web.calls.create(new_call())
    await web.runs.finish(await run_sent(web), CallStatus.SUCCEEDED, result=b"{}")
    for is_taken in (False, True):
        awaiting = await run_sent(web, timeout_s=60)
        await web.runs.await_callback(awaiting, 60)
        question = await web.accept(b'"?"', call_id=awaiting.call.call_id)
        if is_taken:
            await web.claims.take_one(question.event_id, awaiting.call.principal, new_lease_token())
    for asks in ("console", f"hook {HOOK}"):
        to_approve = NewApproval("digest", asks, 3600)
        unapproved = await web.calls.create(new_call(to_approve=to_approve))
        if asks != "console":
            await asked_by_an_event(web, unapproved.call_id)


async def asked_by_an_event(web: Desk, call_id: CallId) -> EventId:
    """Have a hook be asked about a call."""
    event_id = await ApprovalStore(web.steps).ask(call_id, new_event_id())
    assert event_id
    return (await web.accept(call_id=call_id, event_id=event_id)).event_id


@pytest.mark.parametrize("was_running", [False, True])
async def test_a_question_that_outlived_its_call_is_set_aside_once_it_is_restored(
    web: Desk, redis: Redis, was_running: bool
) -> None:
    """Each record is of a moment of its own: the event was read before its call was decided."""
    approvals = ApprovalStore(web.steps)
    await IdentityStore(web.steps).read("a-store")
    call = await web.calls.create(new_call(to_approve=NewApproval("digest", f"hook {HOOK}", 3600)))
    event_id = await asked_by_an_event(web, call.call_id)
    records = [each async for each in BackupStore(web.steps, redis).records()]
    if not was_running:
        await approvals.approve(call.call_id, "digest", "ann", "")
        later = [each async for each in BackupStore(web.steps, redis).records()]
        records = [each for each in records if each.family == "event"]
        records += [each for each in later if each.family == "call"]
    await restore(redis, records, was_running=was_running)
    read = await web.events.read(event_id)
    assert read
    assert read.status is EventStatus.QUEUED
    (due,) = await approvals.due(10, 10)
    assert due.is_decided
    await approvals.settle(due.call_id)
    read = await web.events.read(event_id)
    assert read
    assert read.status is EventStatus.DEAD


async def restore(redis: Redis, records: list[KeptRecord], *, was_running: bool) -> None:
    """Put records in the place of all that is there."""
    restored = RestoredStore(redis)
    await restored.begin()
    now_ms = await restored.now_ms()
    await restored.add([mended(each, now_ms, was_running=was_running) for each in records], now_ms)
    await restored.finish("a-store", await restored.order(), 1)
    await restored.replace()


async def indexes(redis: Redis) -> dict[str, object]:
    """Read the indexes that a restore makes anew; of those of due records, their members."""
    found: dict[str, object] = {}
    async for key in redis.scan_iter(f"{PREFIX}*"):
        name = key.decode().removeprefix(PREFIX)
        family = family_of(name)
        if family and family.name in MADE_ANEW:
            if name.startswith(BY_MEMBERS):
                found[name] = set(await redis.zrange(key, 0, -1))
            else:
                found[name] = await contents(redis, key)
    return found

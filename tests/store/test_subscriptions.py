"""Webhook subscriptions on record: one tells at a time, and none forgets where it was."""

from dataclasses import replace

import pytest
from redis.asyncio import Redis

from bridge.models import SubscriptionId, new_lease_token
from bridge.store.subscriptions import NewSubscription, SubscriptionLease, SubscriptionStore
from tests.store.records import ALICE, BOB, HOOK, WEB, WORKER, Desk
from tests.waiting import wait_until

SOON_S, ONE = 10.0, SubscriptionId("sub_1")
KEY = "{bridge}:subscription:sub_1"
HELD = "{bridge}:held:worker-1"
WISH = NewSubscription(
    subscription_id=ONE,
    principal=ALICE,
    hook=HOOK,
    url="https://receiver.example/",
    secret="whsec_1",
    cursor="100",
    token="",
    ttl_s=60,
)


@pytest.fixture
def there(web: Desk) -> SubscriptionStore:
    """Return the store of a web process."""
    return SubscriptionStore(web.steps, WEB)


@pytest.fixture
def here(worker: Desk) -> SubscriptionStore:
    """Return the store of a worker."""
    return SubscriptionStore(worker.steps, WORKER)


async def leased(store: SubscriptionStore) -> SubscriptionLease:
    """Begin to tell, as one must be able to."""
    telling = await store.lease(ONE, new_lease_token())
    assert telling
    return telling


async def test_a_new_subscription_is_due_and_one_process_tells(
    there: SubscriptionStore, here: SubscriptionStore
) -> None:
    kept = await there.keep(WISH, 1)
    assert kept
    assert (kept.cursor, kept.is_old, kept.last_error) == ("100", False, None)
    assert await here.sweep(10, SOON_S) == [ONE]
    telling = await leased(here)
    assert (telling.cursor, telling.secrets, telling.has_gap) == ("100", ("whsec_1",), False)
    assert await there.lease(ONE, new_lease_token()) is None
    assert await here.lease(ONE, telling.lease) == telling


async def test_an_event_makes_those_due_who_subscribe_to_its_hook(
    there: SubscriptionStore, here: SubscriptionStore, web: Desk
) -> None:
    await there.keep(WISH, 1)
    await here.done(await leased(here), "100")
    assert await here.sweep(10, SOON_S) == []
    await web.accept(hook="another")
    assert await here.sweep(10, SOON_S) == []
    await web.accept()
    assert await here.sweep(10, SOON_S) == [ONE]


async def test_an_event_that_comes_while_something_is_told_is_looked_for_at_once(
    there: SubscriptionStore, here: SubscriptionStore, web: Desk
) -> None:
    await there.keep(WISH, 1)
    telling = await leased(here)
    await web.accept()
    assert await here.sweep(10, SOON_S) == [ONE]
    assert await there.lease(ONE, new_lease_token()) is None
    await here.done(telling, "100")
    assert await here.sweep(10, SOON_S) == [ONE]


async def test_an_event_does_not_disturb_the_pause_after_a_failure(
    there: SubscriptionStore, here: SubscriptionStore, web: Desk
) -> None:
    await there.keep(WISH, 1)
    assert await here.fail(await leased(here), "101", "timeout", [SOON_S]) == "again"
    await web.accept()
    assert await here.sweep(10, SOON_S) == []


async def test_what_is_told_moves_the_cursor_and_forgets_the_failures(
    there: SubscriptionStore, here: SubscriptionStore
) -> None:
    await there.keep(WISH, 1)
    await here.fail(await leased(here), "101", "timeout", [0])
    failed = await there.keep(WISH, 1)
    assert failed
    assert (failed.last_error, failed.last_delivery_at_ms) == ("timeout", None)
    assert failed.failed_since_ms
    assert await here.advance(await leased(here), "101", is_delivered=True)
    told = await there.keep(WISH, 1)
    assert told
    assert (told.cursor, told.last_error, told.failed_since_ms) == ("101", None, None)
    assert told.last_delivery_at_ms


async def test_what_fails_every_time_is_left_alone_then_given_up(
    there: SubscriptionStore, here: SubscriptionStore
) -> None:
    await there.keep(WISH, 1)
    assert await here.fail(await leased(here), "101", "http_5xx", [0]) == "again"
    assert await here.fail(await leased(here), "101", "http_5xx", [0]) == "suspended"
    assert await here.lease(ONE, new_lease_token()) is None
    assert await here.sweep(10, SOON_S) == []
    renewed = await there.keep(WISH, 1)
    assert renewed
    assert (renewed.was_suspended, renewed.cursor) == (True, "100")
    assert await here.fail(await leased(here), "101", "http_5xx", [0]) == "again"
    assert await here.fail(await leased(here), "101", "http_5xx", [0]) == "given up"
    telling = await leased(here)
    assert (telling.cursor, telling.has_gap) == ("101", True)
    assert await here.advance(telling, "101", is_delivered=True)
    await here.done(telling, "101")
    assert not (await leased(here)).has_gap


async def test_what_was_taken_in_between_has_its_chances_anew(
    there: SubscriptionStore, here: SubscriptionStore
) -> None:
    await there.keep(WISH, 1)
    assert await here.fail(await leased(here), "101", "http_5xx", []) == "suspended"
    await there.keep(WISH, 1)
    telling = await leased(here)
    assert await here.advance(telling, "101", is_delivered=True)
    assert await here.fail(telling, "102", "http_5xx", []) == "suspended"


async def test_who_was_taken_for_dead_changes_nothing_any_more(
    there: SubscriptionStore, here: SubscriptionStore, redis: Redis
) -> None:
    await there.keep(WISH, 1)
    late = await leased(here)
    await there.abandon(ONE, late.lease)
    telling = await leased(there)
    assert not await here.advance(late, "200", is_delivered=True)
    assert await here.fail(late, "101", "timeout", [0]) == "lost"
    await here.done(late, "200")
    assert await redis.hget(KEY, "cursor") == b"100"
    assert await there.advance(telling, "101", is_delivered=True)


async def test_nothing_is_held_of_a_subscription_that_is_over(
    there: SubscriptionStore, here: SubscriptionStore, redis: Redis
) -> None:
    await there.keep(WISH, 1)
    telling = await leased(here)
    assert await redis.smembers(HELD) == {f"subscription sub_1 {telling.lease}".encode()}
    assert await there.forget(ONE)
    assert not await there.forget(ONE)
    assert await redis.exists(HELD, KEY) == 0
    assert not await here.advance(telling, "101", is_delivered=True)
    assert await here.sweep(10, SOON_S) == []


async def test_a_subscription_that_ran_out_while_something_was_told_leaves_nothing(
    there: SubscriptionStore, here: SubscriptionStore, redis: Redis
) -> None:
    await there.keep(replace(WISH, ttl_s=0.2), 1)
    telling = await leased(here)

    async def is_over() -> bool:
        return not await redis.exists(KEY)

    await wait_until(is_over, "it runs out")
    await here.done(telling, "101")
    assert await redis.exists(HELD) == 0
    assert await here.lease(ONE, new_lease_token()) is None
    assert await there.keep(replace(WISH, subscription_id=SubscriptionId("sub_2")), 1)


async def test_a_principal_has_so_many_and_no_more(there: SubscriptionStore) -> None:
    second = replace(WISH, subscription_id=SubscriptionId("sub_2"))
    assert await there.keep(WISH, 1)
    assert await there.keep(second, 1) is None
    assert await there.keep(WISH, 1)
    assert await there.keep(replace(second, principal=BOB), 1)


async def test_a_new_secret_stands_before_the_old_one(
    there: SubscriptionStore, here: SubscriptionStore
) -> None:
    await there.keep(WISH, 1)
    await there.keep(replace(WISH, secret="whsec_2"), 1)
    await there.keep(replace(WISH, secret="whsec_2"), 1)
    assert (await leased(here)).secrets == ("whsec_2", "whsec_1")


async def test_a_host_is_asked_for_so_many_proofs_and_no_more(there: SubscriptionStore) -> None:
    assert await there.may_ask_proof("host", "first", 2)
    assert await there.may_ask_proof("host", "second", 2)
    assert not await there.may_ask_proof("host", "third", 2)
    assert await there.may_ask_proof("host", "first", 2)
    assert await there.may_ask_proof("another", "third", 2)


async def test_a_proof_is_remembered(there: SubscriptionStore) -> None:
    assert not await there.is_proved("it")
    await there.prove("it")
    assert await there.is_proved("it")

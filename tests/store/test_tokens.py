"""Tokens on record: found by their digest while they last, by their own server alone."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from bridge.auth.authentication import EVERYTHING, Scope
from bridge.models import Principal
from bridge.store.steps import Steps
from bridge.store.tokens import TokenStore
from tests.waiting import wait_until

ALICE = Principal("support", "alice")
NARROW = Scope(acts=False, hooks=frozenset({"b", "a"}), workflows=frozenset())


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[TokenStore]:
    async with Redis.from_url(redis_url) as client:
        steps = Steps(client, 5)
        async with steps.running():
            yield TokenStore(steps)


async def test_a_token_is_found_with_all_that_it_was_made_with(store: TokenStore) -> None:
    assert await store.add("d1", ALICE, NARROW, 3600)

    token = await store.find("d1", "support")

    assert token
    assert (token.principal, token.scope) == (ALICE, NARROW)
    assert token.expires_at_ms == token.created_at_ms + 3_600_000
    assert token.token_id == "tok_d1"


async def test_a_token_opens_its_own_server_alone(store: TokenStore) -> None:
    await store.add("d1", ALICE, EVERYTHING, None)

    assert await store.find("d1", "sales") is None
    assert await store.find("d2", "support") is None
    assert (await store.is_guarded("support"), await store.is_guarded("sales")) == (True, False)


async def test_an_expired_token_is_none_and_is_forgotten(store: TokenStore) -> None:
    await store.add("d1", ALICE, EVERYTHING, 0.01)
    await store.add("d2", Principal("sales", "bob"), EVERYTHING, None)

    async def is_over() -> bool:
        return await store.find("d1", "support") is None

    await wait_until(is_over, "the token's end")
    assert not await store.is_guarded("support")
    assert [token.digest for token in await store.list()] == ["d2"]


async def test_tokens_of_one_principal_have_one_scope(store: TokenStore) -> None:
    assert await store.add("d1", ALICE, NARROW, None)
    assert await store.add("d2", ALICE, NARROW, 60)
    assert not await store.add("d3", ALICE, EVERYTHING, None)
    assert await store.add("d4", Principal("sales", "alice"), EVERYTHING, None)
    assert await store.find("d3", "support") is None

    await store.revoke("d1")
    await store.revoke("d2")

    assert await store.add("d3", ALICE, EVERYTHING, None)


async def test_adding_a_token_again_changes_nothing(store: TokenStore) -> None:
    await store.add("d1", ALICE, NARROW, 60)
    first = await store.list()

    assert await store.add("d1", ALICE, NARROW, 7200)
    assert await store.list() == first


@pytest.mark.parametrize(
    "scope", [EVERYTHING, NARROW, Scope(workflows=frozenset({"w"})), Scope(hooks=frozenset())]
)
def test_a_scope_is_read_as_it_was_written(scope: Scope) -> None:
    assert Scope.parse(scope.spell()) == scope

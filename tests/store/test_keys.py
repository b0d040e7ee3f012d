"""The table of keys: every name in it is one family's alone."""

import re

import pytest
from redis.asyncio import Redis

from bridge.store.keys import KEYS, PREFIX, Key, owner_of
from tests.conftest import fault_of


def example(family: Key) -> str:
    return PREFIX + re.sub(r"\{(\w+)\}", r"some-\1", family.pattern)


@pytest.mark.parametrize("family", KEYS, ids=lambda family: family.name)
def test_a_key_belongs_to_the_family_that_spells_it(family: Key) -> None:
    assert [other for other in KEYS if other.matches(example(family))] == [family]


@pytest.mark.parametrize("family", KEYS, ids=lambda family: family.name)
async def test_lua_spells_a_key_as_the_table_does(family: Key, redis_url: str) -> None:
    lua = f"return {family.lua([repr(f'some-{part}') for part in family.parts])}"
    async with Redis.from_url(redis_url) as redis:
        assert (await redis.eval(lua, 0)).decode() == example(family)


def test_a_key_that_no_family_spells_has_no_owner() -> None:
    assert owner_of(f"{PREFIX}nonsense:1") is None
    assert owner_of(f"{PREFIX}event") is None
    assert owner_of("event:1") is None


@pytest.mark.parametrize(
    ("key", "type_", "ttl_s", "fault"),
    [
        ("event:1", "hash", 5, None),
        ("event:1", "hash", -1, "{bridge}:event:1 lives -1 s more"),
        ("event:1", "string", 5, "{bridge}:event:1 is a string, not a hash"),
        ("due_calls", "zset", -1, None),
        ("due_calls", "zset", 5, "{bridge}:due_calls lives 5 s more"),
        ("evnt:1", "hash", 5, "{bridge}:evnt:1 stands in no table"),
    ],
)
def test_the_check_after_each_test_finds_stray_keys(
    key: str, type_: str, ttl_s: int, fault: str | None
) -> None:
    assert fault_of(PREFIX + key, type_, ttl_s) == fault

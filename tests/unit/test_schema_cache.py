"""Values are checked at run time: what a stranger sends costs the event loop next to nothing."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing
from decimal import Decimal
from typing import Any

import pytest

from bridge.errors import Fault, InvalidError, TransientError
from bridge.formats.json_text import encode
from bridge.schemas import pool
from bridge.schemas.checks import SchemaCache
from bridge.schemas.faults import FAULTS_MAX
from bridge.schemas.pool import CheckOptions, CheckProcesses

Json = Any

SUMMARY = "it breaks the schema"
PAUSE_S = 0.01
GAP_MAX_S = 3.0
"""How long the loop may stand still on a noisy machine; what it is spared takes far longer."""


@pytest.fixture
async def schemas() -> AsyncIterator[SchemaCache]:
    async with aclosing(SchemaCache()) as cache:
        yield cache


async def faults_of(schemas: SchemaCache, schema: Json, value: Json) -> InvalidError:
    with pytest.raises(InvalidError) as caught:
        await schemas.check(schema, value, SUMMARY)
    return caught.value


async def longest_gap_s(work: asyncio.Task[Any]) -> float:
    """Return for how long at most the loop did nothing else while a task ran."""
    loop, longest = asyncio.get_running_loop(), 0.0
    while not work.done():
        before = loop.time()
        await asyncio.sleep(PAUSE_S)
        longest = max(longest, loop.time() - before - PAUSE_S)
    return longest


def nested(levels: int) -> Json:
    value: Json = {"k": 3}
    for _ in range(levels):
        value = {"c": value, "k": 2}
    return value


def branch(kind: int) -> Json:
    return {
        "type": "object",
        "properties": {"c": {"$ref": "#/$defs/t"}, "k": {"const": kind}},
        "required": ["k"],
    }


TREE = {"$ref": "#/$defs/t", "$defs": {"t": {"anyOf": [branch(1), branch(2)]}}}
BACKTRACKS = r"^(a|aa)+\1c$"
FOR_EVER = "a" * 100


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string", "pattern": "^(a+)+$"}, "a" * 50_000 + "!"),
        ({"items": {"pattern": r"^(\w+\s?)*$"}}, ["a" * 40 + "!"] * 100),
        ({"uniqueItems": True}, [{"a": n, "b": [n]} for n in range(20_000)] * 2),
        ({"items": {"type": "string"}}, [1] * 1_000_000),
        ({"items": {"anyOf": [{"type": "string"}, {"type": "null"}]}}, [1] * 300_000),
        ({"items": {"multipleOf": 0.01}}, [1.7976931348623157e308] * 100_000 + [0.001]),
        (TREE, nested(60)),
        ({"patternProperties": {r"^(?!x)(?:a|aa)+$": {}}, "additionalProperties": False}, {"y": 1}),
    ],
    ids=["pattern", "patterns", "unique", "items", "branches", "multiples", "tree", "names"],
)
async def test_no_value_holds_the_event_loop_up(
    schemas: SchemaCache, schema: Json, value: Json
) -> None:
    work = asyncio.create_task(faults_of(schemas, schema, value))
    assert await longest_gap_s(work) < GAP_MAX_S
    assert (await work).summary == SUMMARY


async def test_faults_are_named_up_to_so_many_and_more_are_said_to_be_there(
    schemas: SchemaCache,
) -> None:
    schema = {"items": {"type": "string"}}
    for count in (FAULTS_MAX, FAULTS_MAX + 1, 10_000):
        error = await faults_of(schemas, schema, [1] * count)
        assert [fault.pointer for fault in error.faults] == [f"/{n}" for n in range(FAULTS_MAX)]
        assert error.has_more == (count > FAULTS_MAX)
        assert str(error).endswith("; and more") == error.has_more


async def test_a_fault_far_back_in_a_large_value_is_found_and_none_that_is_not_there(
    schemas: SchemaCache,
) -> None:
    schema = {
        "required": ["items", "last"],
        "properties": {
            "items": {"minItems": 9000, "contains": {"const": 9999}, "items": {"type": "integer"}},
            "last": {"if": {"maxItems": 200}, "then": {"items": {"type": "string"}}},
        },
    }
    value = {"items": [*range(10_000), "x"], "last": [1] * 300}
    error = await faults_of(schemas, schema, value)
    assert error.faults == (Fault("/items/10000", '"x" is not of type "integer"'),)
    assert not error.has_more


async def test_what_takes_too_long_could_not_be_checked_and_is_no_mismatch(
    schemas: SchemaCache,
) -> None:
    checks = [
        asyncio.create_task(faults_of(schemas, {"not": {"pattern": BACKTRACKS}}, FOR_EVER)),
        asyncio.create_task(
            faults_of(schemas, {"propertyNames": {"pattern": BACKTRACKS}}, {FOR_EVER: 1})
        ),
    ]
    assert await longest_gap_s(checks[0]) < GAP_MAX_S
    assert [(await check).summary for check in checks] == [pool.UNCHECKED] * 2


async def test_look_around_and_back_references_are_ecma_262_s(schemas: SchemaCache) -> None:
    schema = {"pattern": r"^(?=.*\d)(?!.*\.\.)(?<first>[a-z])[\w.]+\1$"}
    await schemas.check(schema, "a1.b.a", SUMMARY)
    for refused in ("a1..ba", "abca", "a1éa"):
        assert (await faults_of(schemas, schema, refused)).summary == SUMMARY


async def test_one_schema_s_long_checks_leave_a_place_to_others(schemas: SchemaCache) -> None:
    slow = {"pattern": BACKTRACKS}
    endless = [asyncio.create_task(faults_of(schemas, slow, FOR_EVER)) for _ in range(3)]
    await schemas.check({"pattern": "(?=a)"}, "a", SUMMARY)
    assert not any(task.done() for task in endless[1:])
    for task in endless:
        task.cancel()
    await asyncio.gather(*endless, return_exceptions=True)


async def test_a_check_that_gets_no_turn_within_the_patience_is_told_to_come_back() -> None:
    async with aclosing(CheckProcesses(patience_s=0.1)) as processes:
        asked = (encode({"pattern": BACKTRACKS}), encode(FOR_EVER), FOR_EVER, CheckOptions())
        has_the_turn = asyncio.create_task(processes.examine(*asked))
        await asyncio.sleep(0)
        with pytest.raises(TransientError, match="at once"):
            await processes.examine(*asked)
        has_the_turn.cancel()
        await asyncio.gather(has_the_turn, return_exceptions=True)
        assert not processes._idle


async def test_a_process_that_has_grown_is_not_kept(schemas: SchemaCache) -> None:
    await schemas.check({"pattern": "^(?=x)"}, "x" * 2_000_000, SUMMARY)
    assert not schemas._processes._idle


async def test_a_process_that_was_killed_is_replaced(schemas: SchemaCache) -> None:
    schema = {"pattern": "(?=a)"}
    await schemas.check(schema, "a", SUMMARY)
    (process,) = schemas._processes._idle
    os.kill(process.pid, signal.SIGKILL)
    await schemas.check(schema, "a", SUMMARY)


async def test_big_numbers_and_fractions_are_checked_to_the_digit(schemas: SchemaCache) -> None:
    await schemas.check({"multipleOf": 0.01}, 19.99, SUMMARY)
    await schemas.check({"type": "integer"}, 10**300, SUMMARY)
    await faults_of(schemas, {"maximum": 2**53}, 2**53 + 1)
    await faults_of(schemas, {"multipleOf": 0.01}, 0.075)


@pytest.mark.parametrize("levels", [300, 900])
async def test_what_is_nested_too_deeply_to_be_checked_is_said_to_be(
    schemas: SchemaCache, levels: int
) -> None:
    deep: Json = 1
    for _ in range(levels):
        deep = [deep]
    await schemas.check({"type": "array", "items": {"type": "array"}}, deep, SUMMARY)
    for schema in (
        {"type": "object"},
        {"items": {"$ref": "#"}, "maxItems": 0},
    ):
        error = await faults_of(schemas, schema, deep)
        assert [fault.detail for fault in error.faults] == ["is nested too deeply to be checked"]
        assert not schemas.allows(schema, deep)


async def test_half_of_a_surrogate_pair_is_named_and_breaks_nothing(schemas: SchemaCache) -> None:
    for schema in ({"type": "string"}, {"pattern": "(?=a)"}):
        error = await faults_of(schemas, schema, "a\ud83d")
        assert "surrogate" in error.faults[0].detail


async def test_what_is_checked_in_another_process_is_mended_there_to_the_digit(
    schemas: SchemaCache,
) -> None:
    schema = {
        "properties": {
            "a": {"type": "string", "pattern": "(?=a)"},
            "n": {"type": "integer"},
        }
    }
    sent = {"n": "12345678901234567890", "f": Decimal("0.1234567890123456789"), "a": None}
    meant = await schemas.mended(schema, sent, SUMMARY)
    assert meant == {"n": 12345678901234567890, "f": Decimal("0.1234567890123456789")}
    assert await schemas.mended(schema, meant, SUMMARY) is meant

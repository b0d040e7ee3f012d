"""Lists of calls: one's own, in order, in pages, by status."""

from dataclasses import replace

import pytest

from bridge.formats.payloads import summarize
from bridge.models import CallStatus
from bridge.store import calls as calls_module
from tests.store.call_records import ageless, new_call, run
from tests.store.records import ALICE, BOB, STRANGER, Desk


async def test_calls_are_listed_in_order_and_in_pages(web: Desk) -> None:
    created = [await web.calls.create(new_call()) for _ in range(7)]

    first = await web.calls.listed(ALICE, "", 0, 4)
    rest = await web.calls.listed(ALICE, "", first[-1].order, 4)

    assert ageless(*first, *rest) == ageless(*created)


async def test_calls_of_a_status_are_found_behind_many_others(
    web: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls_module, "LOOK_AT", 3)
    for number in range(20):
        running = await run(web)
        if number % 7:
            await web.runs.finish(running, CallStatus.FAILED)

    found = await web.calls.listed(ALICE, CallStatus.RUNNING, 0, 5)

    assert [call.status for call in found] == [CallStatus.RUNNING] * 3
    assert len(await web.calls.listed(ALICE, CallStatus.RUNNING, 0, 2)) == 2
    assert len(await web.calls.listed(ALICE, "", 0, 100)) == 20


async def test_a_list_has_short_arguments_whole_and_a_summary_of_long_ones(web: Desk) -> None:
    long = b'{"text":"%s"}' % (b"x" * 1_000_000)
    await web.calls.create(new_call())
    kept = await web.calls.create(replace(new_call(), arguments=long))

    short, listed = await web.calls.listed(ALICE, "", 0, 2)

    assert short.arguments == new_call().arguments
    assert listed.arguments.decode() == summarize(long)
    assert kept.arguments == long


async def test_a_list_shows_the_principals_own_calls_only(web: Desk) -> None:
    mine = await web.calls.create(new_call(ALICE))
    his = await web.calls.create(new_call(BOB))
    strange = await web.calls.create(new_call(STRANGER))

    assert ageless(*await web.calls.listed(ALICE, "", 0, 5)) == ageless(mine)
    assert ageless(*await web.calls.listed(BOB, "", 0, 5)) == ageless(his)
    assert ageless(*await web.calls.listed(STRANGER, "", 0, 5)) == ageless(strange)


async def test_an_index_does_not_grow_with_calls_that_are_gone(web: Desk) -> None:
    await web.redis.zadd("{bridge}:calls:support:alice", {"call_gone": 1})

    await web.calls.create(new_call())

    assert await web.redis.zcard("{bridge}:calls:support:alice") == 1

"""The list of a server's calls: gathered behind the steps, whole, and no longer than its calls."""

import asyncio

from bridge.models import Principal
from bridge.store.operators import OperatorStore
from bridge.store.searching import SearchStore
from bridge.verbs.record_search import RecordSearch
from bridge.verbs.records import Records
from tests.store.call_records import new_call
from tests.store.records import ALICE, BOB, STRANGER, Desk

SUPPORT = "{bridge}:calls_of:support"
SALES = "{bridge}:calls_of:sales"
FRESH, SERVERS = "{bridge}:fresh_callers", "{bridge}:call_servers"


async def test_calls_of_all_principals_are_in_the_list_of_their_server(web: Desk) -> None:
    operators = OperatorStore(web.steps)
    ours = [await web.calls.create(new_call(caller)) for caller in (ALICE, BOB, ALICE)]
    theirs = await web.calls.create(new_call(STRANGER))

    assert await operators.gather_calls() is False

    orders = [(call.call_id.encode(), float(call.order)) for call in ours]
    assert await web.redis.zrange(SUPPORT, 0, -1, withscores=True) == orders
    assert await web.redis.zrange(SALES, 0, -1) == [theirs.call_id.encode()]
    assert await web.redis.ttl(SUPPORT) >= await web.redis.ttl("{bridge}:calls:support:bob") > 0


async def test_many_calls_are_gathered_some_at_a_time_and_none_is_left_out(web: Desk) -> None:
    operators = OperatorStore(web.steps)
    made = [(await web.calls.create(new_call(who))).call_id for who in (ALICE, BOB) * 10]
    records = Records(SearchStore(web.steps, look_at=4), operators, {})

    while await operators.gather_calls(3):
        found = await records.calls(RecordSearch(), 100)
        assert [call.call_id for call in found.rows] == made[::-1]

    assert await web.redis.zcard(SUPPORT) == 20
    found = await records.calls(RecordSearch(), 100)
    assert [call.call_id for call in found.rows] == made[::-1]


async def test_calls_of_many_principals_are_gathered_whole_while_more_are_made(web: Desk) -> None:
    operators = OperatorStore(web.steps)
    callers = [Principal("support", f"reader-{number}") for number in range(7)]
    made = [await web.calls.create(new_call(caller)) for caller in callers]

    async def gather() -> bool:
        return await operators.gather_calls(100, callers=2)

    async def make() -> None:
        made.extend([await web.calls.create(new_call(caller)) for caller in callers])

    is_cut, _ = await asyncio.gather(gather(), make())

    found = await Records(SearchStore(web.steps, look_at=4), operators, {}).calls(
        RecordSearch(), 100
    )
    assert not is_cut
    assert [call.call_id for call in found.rows] == [call.call_id for call in made[::-1]]
    await gather()
    assert await web.redis.zcard(SUPPORT) == len(made) == 14


async def test_gathering_again_changes_nothing(web: Desk) -> None:
    operators = OperatorStore(web.steps)
    await web.calls.create(new_call())
    await operators.gather_calls()
    before = await web.everything()

    assert await operators.gather_calls() is False
    assert await web.everything() == before


async def test_the_list_does_not_grow_with_calls_that_are_gone(web: Desk) -> None:
    operators = OperatorStore(web.steps)
    gone = [await web.calls.create(new_call()) for _ in range(3)]
    await operators.gather_calls()
    await web.redis.delete(*(f"{{bridge}}:call:{call.call_id}" for call in gone))

    new = [await web.calls.create(new_call()) for _ in range(3)]
    await operators.gather_calls()

    ids = [call.call_id.encode() for call in new]
    assert await web.redis.zrange(SUPPORT, 0, -1) == ids


async def test_a_principal_is_looked_at_only_while_its_calls_are_not_gathered(web: Desk) -> None:
    operators = OperatorStore(web.steps)
    await web.calls.create(new_call(ALICE))
    await web.calls.create(new_call(BOB))
    assert await web.redis.zrange(FRESH, 0, -1) == [b'["support","alice"]', b'["support","bob"]']

    await operators.gather_calls()

    assert await web.redis.zrange(FRESH, 0, -1) == []


async def test_calls_of_an_earlier_version_are_found_once_they_are_gathered(web: Desk) -> None:
    made = [(await web.calls.create(new_call(who))).call_id for who in (ALICE, STRANGER)]
    await web.redis.delete(FRESH, SERVERS)
    operators = OperatorStore(web.steps)

    await operators.gather_calls()

    found = await Records(SearchStore(web.steps), operators, {}).calls(RecordSearch(), 100)
    assert [call.call_id for call in found.rows] == made[::-1]

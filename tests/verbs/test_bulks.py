"""Bulk acts: what was counted is acted on once, and nothing else, whoever dies on the way."""

import asyncio
import logging
from dataclasses import replace

import pytest

from bridge.errors import ConflictError, MalformedError, NotFoundError
from bridge.models import EventId, LeaseRef
from bridge.runtime import Runtime
from bridge.store import bulks as store
from bridge.verbs.bulk_records import ActKind, Became, Bulk, BulkStatus
from bridge.verbs.bulks import Bulks
from bridge.verbs.record_search import RecordKind, RecordSearch
from tests.verbs.desk import ADDRESS, ALICE, answered, send, start, take

EVENTS, CALLS, REPLIES = RecordKind.EVENTS, RecordKind.CALLS, RecordKind.REPLIES
ALL = RecordSearch(server="desk")


class DeathError(Exception):
    pass


async def dead(runtime: Runtime) -> EventId:
    event_id = await send(runtime)
    await set_aside(runtime)
    return event_id


async def set_aside(runtime: Runtime) -> None:
    taken = await take(runtime)
    assert taken
    claim = LeaseRef(taken.event.event_id, taken.token, ALICE)
    await runtime.stores.events.release(claim, status="dead", reason="cannot")


async def status(runtime: Runtime, event_id: str) -> str:
    event, _ = await runtime.web.operators.event(event_id)
    return event.status


async def counted(
    runtime: Runtime, act: ActKind, kind: RecordKind = EVENTS, wanted: RecordSearch = ALL
) -> Bulk:
    return await runtime.web.bulks.count(kind, act, wanted, "ann")


async def confirmed(runtime: Runtime, bulk: Bulk) -> Bulks:
    await runtime.web.bulks.confirm(bulk.bulk_id, bulk.count, "ann")
    return runtime.workers.bulks


async def run(runtime: Runtime, bulk: Bulk) -> Bulk:
    while await (await confirmed(runtime, bulk)).run(bulk.bulk_id):
        pass
    return await runtime.web.bulks.read(bulk.bulk_id)


async def test_what_was_counted_is_acted_on_and_listed_by_its_id(web: Runtime) -> None:
    aside = [await dead(web) for _ in range(3)]
    open_one = await send(web)
    bulk = await counted(web, ActKind.REDRIVE)
    assert (bulk.status, bulk.count, bulk.is_cut) == (BulkStatus.COUNTED, 3, False)
    assert await web.web.bulks.sample(bulk) == aside[::-1]
    assert [await status(web, each) for each in aside] == ["dead"] * 3

    ended = await run(web, bulk)
    assert (ended.status, ended.done, ended.changed, ended.refused) == ("done", 3, 0, 0)
    assert [await status(web, each) for each in (*aside, open_one)] == ["queued"] * 4
    acted_on = RecordSearch(bulk=bulk.bulk_id)
    page = await web.web.records.events(acted_on, 10)
    assert [event.event_id for event in page.rows] == aside[::-1]
    counts = await web.web.records.count(EVENTS, acted_on)
    assert counts.by_status == {"queued": 3}
    assert (await web.web.records.events(replace(acted_on, statuses=("dead",)), 10)).rows == []
    with pytest.raises(NotFoundError, match="there is no bulk act bulk_none"):
        await web.web.records.events(RecordSearch(bulk="bulk_none"), 10)
    with pytest.raises(MalformedError, match="not by place or principal"):
        await web.web.records.events(replace(acted_on, server="desk"), 10)


async def test_what_came_later_or_changed_since_is_left_alone(web: Runtime) -> None:
    first, other = await dead(web), await dead(web)
    was_queued = await send(web)
    bulk = await counted(web, ActKind.REDRIVE)
    await web.web.operators.expire(was_queued)  # older than the count, and as asked for since
    later = await dead(web)
    await web.web.operators.redrive(other)

    ended = await run(web, bulk)
    assert (ended.done, ended.changed) == (1, 1)
    assert await status(web, first) == "queued"
    assert (await status(web, was_queued), await status(web, later)) == ("expired", "dead")


async def test_nothing_is_done_without_the_count_that_was_told(web: Runtime) -> None:
    event_id = await dead(web)
    bulk = await counted(web, ActKind.REDRIVE)
    with pytest.raises(ConflictError, match="1 were counted, not 2"):
        await web.web.bulks.confirm(bulk.bulk_id, 2, "ann")
    assert await web.workers.bulks.run(bulk.bulk_id) is False
    assert await status(web, event_id) == "dead"
    with pytest.raises(NotFoundError, match="no such bulk act"):
        await web.web.bulks.confirm("bulk_none", 1, "ann")


async def test_a_confirmed_one_wakes_a_worker_once_however_often_it_is_confirmed(
    web: Runtime,
) -> None:
    await dead(web)
    bulk = await counted(web, ActKind.REDRIVE)
    await confirmed(web, bulk)
    assert (await web.web.bulks.confirm(bulk.bulk_id, 1, "bob")).confirmed_by == "ann"
    assert (await run(web, bulk)).done == 1
    assert (await run(web, bulk)).done == 1


async def test_one_process_at_a_time_works_on_it_and_another_takes_over(
    web: Runtime, worker: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside = [await dead(web) for _ in range(3)]
    monkeypatch.setattr("bridge.verbs.bulks.AT_ONCE", 1)
    bulk = await counted(web, ActKind.REDRIVE)
    await confirmed(web, bulk)

    def die(_became: Became) -> None:
        raise DeathError

    monkeypatch.setattr(store, "LEASE_MS", 300)
    with pytest.raises(DeathError):
        await web.workers.bulks.run(bulk.bulk_id, die)
    assert await worker.workers.bulks.run(bulk.bulk_id) is False
    assert (await web.web.bulks.read(bulk.bulk_id)).is_held
    while bulk.bulk_id not in await worker.workers.bulks.due(10, 0):
        await asyncio.sleep(0)
    heard: list[Became] = []
    await worker.workers.bulks.run(bulk.bulk_id, heard.append)
    assert [became.record_id for became in heard] == aside[1:]
    ended = await web.web.bulks.read(bulk.bulk_id)
    assert (ended.status, ended.done) == ("done", 3)


async def test_one_that_is_stopped_does_nothing_more(web: Runtime) -> None:
    aside = [await dead(web) for _ in range(2)]
    bulk = await counted(web, ActKind.REDRIVE)
    await confirmed(web, bulk)
    stopped = await web.web.bulks.stop(bulk.bulk_id, "ann")
    assert (stopped.status, stopped.left) == ("stopped", 2)
    assert await web.workers.bulks.run(bulk.bulk_id) is False
    assert [await status(web, each) for each in aside] == ["dead"] * 2
    with pytest.raises(ConflictError, match="count anew"):
        await web.web.bulks.confirm(bulk.bulk_id, 2, "ann")


async def test_it_is_stopped_in_the_middle_between_two_records(
    web: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        await dead(web)
    monkeypatch.setattr("bridge.verbs.bulks.AT_ONCE", 1)
    bulk = await counted(web, ActKind.REDRIVE)
    bulks, stops = await confirmed(web, bulk), list[asyncio.Task[Bulk]]()

    def stop(_became: Became) -> None:
        stops.append(asyncio.create_task(bulks.stop(bulk.bulk_id, "bob")))

    await bulks.run(bulk.bulk_id, stop)
    await asyncio.gather(*stops, return_exceptions=True)
    ended = await bulks.read(bulk.bulk_id)
    assert (ended.status, ended.stopped_by) == ("stopped", "bob")
    assert 0 < ended.done < 3


async def test_each_act_does_what_it_does_to_one(web: Runtime) -> None:
    await send(web)
    await take(web)
    release = await run(web, await counted(web, ActKind.RELEASE))
    assert release.done == 1
    expire = await run(web, await counted(web, ActKind.EXPIRE))
    assert expire.done == 1
    (event,) = (await web.web.records.events(ALL, 10)).rows
    assert (event.status, event.reason) == ("expired", "expired by an operator")

    call = await start(web)
    cancel = await run(web, await counted(web, ActKind.CANCEL, CALLS))
    assert cancel.done == 1
    page = await web.web.records.calls(RecordSearch(bulk=cancel.bulk_id), 10)
    assert [each.call_id for each in page.rows] == [call.call_id]
    assert (await web.web.operators.call(call.call_id))[0].status == "cancelled"


async def test_dead_replies_are_sent_again_and_late_ones_are_refused_with_the_reason(
    web: Runtime,
) -> None:
    late, dead_one = await answered(web), await answered(web)
    for each in (late, dead_one):
        key = f"{{bridge}}:reply:{each}"
        await web.redis.hset(key, "status", "dead")
    await web.redis.hset(f"{{bridge}}:reply:{late}", "deadline", "1")
    bulk = await counted(web, ActKind.REDRIVE, REPLIES)
    assert bulk.count == 2
    ended = await run(web, bulk)
    assert (ended.done, ended.refused) == (1, 1)
    assert ended.reasons == [(late, "the reply stays dead: n8n waits for it no more")]


@pytest.mark.parametrize("kind", [EVENTS, CALLS])
async def test_a_record_is_run_again_once_though_the_process_dies_behind_it(
    web: Runtime, kind: RecordKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    await (send(web, reply_url=ADDRESS) if kind is EVENTS else start(web))
    bulk = await counted(web, ActKind.RUN_AGAIN, kind)
    bulks = await confirmed(web, bulk)

    async def die(*_: object) -> None:
        raise DeathError

    with monkeypatch.context() as patch:
        patch.setattr(store.BulkStore, "ran", die)
        patch.setattr(store, "LEASE_MS", 1)
        with pytest.raises(DeathError):
            await bulks.run(bulk.bulk_id)
    while bulk.bulk_id not in await bulks.due(10, 0):
        await asyncio.sleep(0)
    ended = await run(web, bulk)
    assert (ended.done, ended.refused) == (1, 0)
    counts = await web.web.records.count(kind, RecordSearch())
    assert counts.total == 2


async def test_what_cannot_be_run_again_is_refused_with_its_reason(web: Runtime) -> None:
    await send(web)
    bulk = await counted(web, ActKind.RUN_AGAIN)
    web.web.servers.replace({})
    ended = await run(web, bulk)
    ((_, why),) = ended.reasons
    assert why == "no server file has the hook desk/letter any more"


async def test_the_newest_are_chosen_up_to_the_limit(web: Runtime) -> None:
    aside = [await dead(web) for _ in range(3)]
    bulk = await web.web.bulks.count(EVENTS, ActKind.REDRIVE, ALL, "ann", 2)
    assert (bulk.count, bulk.is_cut) == (2, True)
    assert await web.web.bulks.sample(bulk) == aside[:0:-1]


async def test_wishes_that_make_no_sense_are_refused_with_what_would(web: Runtime) -> None:
    with pytest.raises(MalformedError, match="no cancel of events; there are: redrive, release"):
        await counted(web, ActKind.CANCEL)
    unfit = RecordSearch(statuses=("queued",))
    with pytest.raises(MalformedError, match="that are queued; only of those dead, expired"):
        await counted(web, ActKind.REDRIVE, wanted=unfit)
    with pytest.raises(NotFoundError, match="there is no server none"):
        await counted(web, ActKind.REDRIVE, wanted=RecordSearch(server="none"))


async def test_all_of_it_leaves_one_line_in_the_audit_without_any_text(
    web: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    await dead(web)
    wanted = RecordSearch(server="desk", part="letter", text="evt_")
    bulk = await counted(web, ActKind.REDRIVE, wanted=wanted)
    with caplog.at_level(logging.INFO, "audit"):
        await run(web, bulk)
    (line,) = [vars(record) for record in caplog.records if record.name == "audit"]
    assert (line["who"], line["what"], line["outcome"]) == ("ann", "events redrive", "done")
    assert line["which"] == f"{bulk.bulk_id} desk/letter status=dead,expired search=…"
    assert (line["done_count"], line["changed_count"], line["refused_count"]) == (1, 0, 0)

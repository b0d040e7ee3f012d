"""Processes: who is alive, and what a dead one leaves."""

from functools import partial

import pytest
import redis as blocking

from bridge.models import EventStatus, new_lease_token
from bridge.store.processes import DeadProcess, Heartbeat
from tests.store.records import ADDRESS, WEB, WORKER, Desk, wish
from tests.waiting import wait_until


async def silence(desk: Desk) -> None:
    """Have a process look as if it had not been heard of for long."""
    await desk.redis.zadd("{bridge}:processes", {desk.process: 1})


async def test_a_process_that_beats_is_not_dead(web: Desk) -> None:
    await web.processes.beat()

    assert await web.processes.dead() == []


async def test_a_silent_process_leaves_what_it_held(web: Desk, worker: Desk) -> None:
    taken = await worker.taken()
    answered = await web.taken(reply_url=ADDRESS)
    await web.events.answer(answered, b"1")
    sending = await worker.replies.lease(answered.event_id, new_lease_token())
    await silence(worker)

    (dead_process,) = await web.processes.dead()

    assert sending
    assert dead_process.process == WORKER
    assert set(dead_process.held) == {
        ("event", taken.event_id, taken.token),
        ("reply", sending.event_id, sending.token),
    }


async def test_a_process_that_ends_holding_nothing_is_forgotten(web: Desk) -> None:
    for _ in range(2):
        await web.processes.leave()

    assert await web.redis.exists("{bridge}:processes") == 0


async def test_a_process_that_ends_holding_something_is_dead_at_once(
    web: Desk, worker: Desk
) -> None:
    await worker.taken()

    await worker.processes.leave()

    assert [dead_process.process for dead_process in await web.processes.dead()] == [WORKER]


async def test_an_estate_waits_for_its_heir_however_long_it_takes(web: Desk) -> None:
    await web.taken()

    assert await web.redis.ttl(f"{{bridge}}:held:{WEB}") == -1


async def test_a_settled_estate_is_forgotten(web: Desk, worker: Desk) -> None:
    taken = await worker.taken()
    await silence(worker)
    (dead_process,) = await web.processes.dead()
    await web.claims.abandon(taken.event_id, taken.token)

    for _ in range(2):
        await web.processes.forget(dead_process)

    assert await web.processes.dead() == []
    assert await worker.held() == set()


async def test_what_a_process_took_while_its_estate_was_settled_is_not_forgotten(
    web: Desk, worker: Desk
) -> None:
    await worker.taken()
    await silence(worker)
    (dead_process,) = await web.processes.dead()
    late = await worker.taken()

    await web.processes.forget(dead_process)

    assert await web.processes.dead() == [
        DeadProcess(WORKER, (("event", late.event_id, late.token),)),
    ]


async def test_an_entry_whose_event_another_process_holds_by_now_is_forgotten_too(
    web: Desk, worker: Desk
) -> None:
    old = await worker.taken()
    await web.claims.abandon(old.event_id, old.token)
    await web.redis.sadd(f"{{bridge}}:held:{WORKER}", f"event {old.event_id} {old.token}")
    new = await web.take()
    await silence(worker)

    (dead_process,) = await web.processes.dead()
    for _, event_id, token in dead_process.held:
        await web.claims.abandon(event_id, token)
    await web.processes.forget(dead_process)

    assert new
    assert await web.status(new.event_id) is EventStatus.LEASED
    assert await web.processes.dead() == []
    assert await web.held() == {f"event {new.event_id} {new.token}"}


async def test_one_process_sweeps_at_a_time_and_another_takes_over(web: Desk, worker: Desk) -> None:
    assert await web.processes.rules()
    assert await web.processes.rules()
    assert not await worker.processes.rules()
    assert 0 < await web.redis.pttl("{bridge}:sweeper") <= 3000

    await web.redis.delete("{bridge}:sweeper")

    assert await worker.processes.rules()
    assert not await web.processes.rules()


async def test_a_dead_process_does_not_stay_in_line(web: Desk, worker: Desk) -> None:
    await worker.take(wish(waiter="first"))
    await silence(worker)
    await web.accept()

    assert await web.take()


async def test_a_process_lives_while_its_loop_is_busy_and_not_once_it_hangs(
    web: Desk, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    heart = Heartbeat(blocking.Redis.from_url(redis_url), WEB, beat_s=0.02, hung_s=0.4)

    async def last_beat() -> float:
        return await web.redis.zscore("{bridge}:processes", WEB) or 0

    async def has_beaten_since(before: float) -> bool:
        return await last_beat() > before

    def has_hung(times: int) -> bool:
        return times == sum(record.message == "process.hung" for record in caplog.records)

    heart.start()
    try:
        for times in (1, 2):
            await wait_until(partial(has_beaten_since, await last_beat()), "a beat")
            await wait_until(partial(has_hung, times), "the hung loop is logged")
            stopped = await last_beat()
            await web.redis.ping()
            assert await last_beat() == stopped
            heart.loop_runs()
    finally:
        heart.end()

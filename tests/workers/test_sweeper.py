"""The sweeper takes nobody for dead because of what Redis did, and writes what operators read."""

import pytest
from redis.asyncio import Redis

from bridge.configuration.settings import Settings
from bridge.runtime import open_runtime
from bridge.store import pool
from bridge.store.processes import BEAT_S, DeadProcess, ProcessStore
from tests.store.call_records import new_call
from tests.waiting import wait_until
from workers.sweeper import Sweeper

PATIENCE_S = 60.0
LIFE_S = BEAT_S + 0.5
AWAY_MS = round(LIFE_S * 1000) + 500


async def test_an_answer_that_redis_was_long_about_declares_nobody_dead(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(redis_url=redis_url)
    ask, answers = ProcessStore.dead, list[list[DeadProcess]]()

    async def ask_as_redis_goes_away(processes: ProcessStore) -> list[DeadProcess]:
        await ask(processes)
        async with Redis.from_url(redis_url) as client:
            await client.client_pause(AWAY_MS)
        answers.append(await ask(processes))
        return answers[-1]

    for module in ("bridge.store.processes", "workers.sweeper"):
        monkeypatch.setattr(f"{module}.LIFE_S", LIFE_S)
    monkeypatch.setattr(pool, "ANSWER_S", 3 * LIFE_S)
    monkeypatch.setattr(ProcessStore, "dead", ask_as_redis_goes_away)
    async with (
        open_runtime(settings, {}, "worker", PATIENCE_S) as runtime,
        open_runtime(settings, {}, "worker", PATIENCE_S) as other,
        Redis.from_url(redis_url) as client,
    ):
        sweeper = Sweeper(runtime.workers)

        async def has_swept() -> bool:
            await sweeper._sweep_in_turn()
            return bool(answers)

        await wait_until(has_swept, "an answer about the dead", 30)
        known = await client.zrange("{bridge}:processes", 0, -1)
    both = {runtime.process, other.process}
    assert [{dead_process.process for dead_process in answer} for answer in answers] == [both]
    assert set(known) == {process.encode() for process in both}


async def test_the_sweeper_gathers_new_calls_for_operators(redis_url: str) -> None:
    settings = Settings(redis_url=redis_url)
    async with (
        open_runtime(settings, {}, "worker", PATIENCE_S) as runtime,
        Redis.from_url(redis_url) as client,
    ):
        call = await runtime.workers.stores.calls.create(new_call())
        await Sweeper(runtime.workers)._sweep_in_turn()
        assert await client.zrange("{bridge}:calls_of:support", 0, -1) == [call.call_id.encode()]

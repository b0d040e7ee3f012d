"""Charts: minutes kept by whoever sweeps, and read as the series of an hour and of a day."""

from collections.abc import Awaitable, Callable

import pytest

from bridge.models import CallStatus
from bridge.store.keys import PREFIX
from bridge.store.minutes import MinuteStore
from bridge.verbs.charts import DAY, HOUR, read_chart, read_window
from tests.store.call_records import run_sent
from tests.store.records import HOOK, SERVER, Desk
from tests.waiting import wait_until

CALLS = ("calls", SERVER, None, None)


@pytest.fixture(autouse=True)
async def _no_minute_ends(web: Desk) -> None:
    """Begin when Redis's minute still has some seconds, for a test tells minutes by their place."""

    async def has_time() -> bool:
        seconds, _ = await web.redis.time()
        return int(seconds) % 60 < 54

    await wait_until(has_time, "the next minute")


@pytest.fixture
def minutes(web: Desk) -> MinuteStore:
    return MinuteStore(web.steps)


@pytest.fixture
def minute_passes(web: Desk) -> Callable[[], Awaitable[None]]:
    """Make what was kept a minute older, so that another can be."""

    async def age() -> None:
        await web.redis.hincrby(f"{PREFIX}counted", " minute", -1)

    return age


async def test_a_minute_brings_what_was_counted_since_the_last_one_was_kept(
    web: Desk, minutes: MinuteStore, minute_passes: Callable[[], Awaitable[None]]
) -> None:
    await web.accept()
    await minutes.keep()
    await minute_passes()
    await web.accept()
    await web.take()
    finished = await run_sent(web)
    await web.runs.finish(finished, CallStatus.SUCCEEDED)

    assert 0 < await minutes.keep() <= 60

    chart = await read_chart(minutes, HOUR)
    assert len(chart.slots) == 60
    assert chart.counts("events", SERVER, HOOK, "queued") == [0] * 59 + [1]
    assert chart.counts("events", None, None, "leased")[-1] == 1
    assert chart.counts(*CALLS)[-1] == 1
    assert chart.backlog(SERVER, HOOK)[-1] == 1
    assert 0 < (chart.quantiles_s(0.99, "call", SERVER, None)[-1] or 0) < 60
    assert chart.quantiles_s(0.5, "lease", None, None) == [None] * 60


async def test_a_minute_is_kept_once_whoever_sweeps(
    web: Desk, minutes: MinuteStore, minute_passes: Callable[[], Awaitable[None]]
) -> None:
    await minutes.keep()
    await minute_passes()
    await web.accept()
    await minutes.keep()
    before = await web.everything()

    await minutes.keep()

    assert await web.everything() == before


async def test_minutes_die_after_a_day_and_an_hour(
    web: Desk, minutes: MinuteStore, minute_passes: Callable[[], Awaitable[None]]
) -> None:
    await minutes.keep()
    await minute_passes()
    await web.accept()
    await minutes.keep()

    keys = [key async for key in web.redis.scan_iter(f"{PREFIX}minute:*")]

    assert len(keys) == 1
    for key in (*keys, f"{PREFIX}counted"):
        assert 24 * 3600 < await web.redis.ttl(key) <= 25 * 3600


async def test_a_day_is_the_sum_of_its_minutes_and_the_last_of_its_levels(
    web: Desk, minutes: MinuteStore
) -> None:
    began = await minutes.now() - 15
    for minute, queued in ((began, 4), (began + 1, 2)):
        rises = {
            f"events|{SERVER}|{HOOK}|queued": 3,
            f"ended|{SERVER}|parse|failed|1|{10 + minute - began}": 1,
            f"backlog|{SERVER}|{HOOK}": queued,
        }
        for name, rise in rises.items():
            await web.redis.hset(f"{PREFIX}minute:{minute}", name, rise)
        await web.redis.expire(f"{PREFIX}minute:{minute}", 60)

    chart = await read_chart(minutes, DAY)

    assert len(chart.slots) == 96
    assert chart.slot_s == 900
    assert chart.began_at_s == (await minutes.now() - 96 * 15) * 60
    assert chart.counts("events", SERVER, HOOK, "queued") == [0] * 95 + [6]
    assert chart.counts("calls", None, None, "failed")[-1] == 2
    assert chart.backlog()[-1] == 2
    assert chart.quantiles_s(1, "call", SERVER, "parse")[-1] == 2.048


async def test_a_window_has_what_the_running_minute_has_brought_so_far(
    web: Desk, minutes: MinuteStore, minute_passes: Callable[[], Awaitable[None]]
) -> None:
    await minutes.keep()
    for _ in range(2):
        await web.runs.finish(await run_sent(web), CallStatus.FAILED)
    (failed,) = [
        n for name, n in (await read_window(minutes, 5)).totals.items() if name[0] == "calls"
    ]
    assert failed == 2

    await minute_passes()
    await minutes.keep()
    await web.runs.finish(await run_sent(web), CallStatus.FAILED)
    (failed,) = [
        n for name, n in (await read_window(minutes, 5)).totals.items() if name[0] == "calls"
    ]
    assert failed == 3

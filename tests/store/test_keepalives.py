"""Keepalives: one clock for all streams, which wakes each of them once an interval."""

import asyncio
import time

from redis.asyncio import Redis

from bridge.store.keepalives import TICK_S, Keepalives
from bridge.store.signals import Signals

TURNS = 3


def hold_the_loop(for_s: float) -> None:
    """Do something else for so long."""
    until = time.monotonic() + for_s
    while time.monotonic() < until:
        pass


async def test_all_are_woken_in_turn_and_who_joins_now_comes_last() -> None:
    signals = Signals(Redis())
    keepalives = Keepalives(signals, TURNS * TICK_S)
    joined = keepalives.name()
    every = [f"keepalive:{number}" for number in range(TURNS)]
    with signals.subscribed(*every) as woken:
        running = asyncio.create_task(keepalives.run())
        told: list[str] = []
        while len(told) < TURNS:  # a loop that is late has several at once
            told += await woken.notified()
        running.cancel()
    assert sorted(told[:TURNS]) == every
    assert told[TURNS - 1] == joined


async def test_turns_that_the_loop_was_late_for_are_made_up() -> None:
    signals = Signals(Redis())
    keepalives = Keepalives(signals, TURNS * TICK_S)
    with signals.subscribed("keepalive:1") as first, signals.subscribed("keepalive:0") as last:
        running = asyncio.create_task(keepalives.run())
        await first.notified()
        hold_the_loop(TURNS * TICK_S)
        for _ in range(10 * TURNS):
            await asyncio.sleep(0)  # none of them waits for a time
        assert await last.wait(0)
        running.cancel()

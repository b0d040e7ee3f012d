"""The clock of a process's keepalives: one for all streams, in place of a timer for each."""

import asyncio

from bridge.store.signals import Signals

TICK_S = 0.1
"""How finely they are spread, so that those of many streams do not hold the loop at one moment."""


class Keepalives:
    """Notifies each of some names every `keepalive_s`, in turn."""

    def __init__(self, signals: Signals, keepalive_s: float) -> None:
        self._signals = signals
        count = max(1, round(keepalive_s / TICK_S))
        self._names = [f"keepalive:{number}" for number in range(count)]
        self._keepalive_s = keepalive_s
        self._pause_s = keepalive_s / count
        self._last = 0

    def name(self) -> str:
        """Return the name whose turn was last: its next one is a whole interval away, or less."""
        return self._names[self._last]

    async def run(self) -> None:
        """Notify them for as long as the process runs."""
        now = asyncio.get_running_loop().time
        due_at = now()
        while True:
            due_at = max(due_at + self._pause_s, now() - self._keepalive_s)  # late ones are made up
            await asyncio.sleep(due_at - now())
            self._last = (self._last + 1) % len(self._names)
            self._signals.notify_here(self._names[self._last])

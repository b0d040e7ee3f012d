"""How fast handlers may keep their worker busy with what they send and print."""

import asyncio

BURST_S = 0.1


class Pace:
    """Lets so much a second through, and has who brings more wait."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._free_at = 0.0

    async def spend(self, amount: float) -> None:
        """Wait until there is room for more than this."""
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, now - BURST_S) + amount / self._per_s
        if self._free_at > now:
            await asyncio.sleep(self._free_at - now)

"""Whether a client that waits for an event is still there, where its connection does not tell.

Some proxies (HAProxy, Apache) tell of a client that has left only when they cannot write to it. The
first write after that is lost in silence: the client's system answers it with a reset, and the next
one fails. So both are made before such a client is handed anything.
"""

import asyncio
from collections.abc import Awaitable, Callable

PAUSES_S = (0.25, 0.1)
"""For the reset's way back from the client after the first, and from the proxy after the second."""


class Probe:
    """Finds out by two comments whether anyone would get an answer.

    At first, when it has just asked, a client is taken to be there.
    """

    def __init__(
        self, is_there: Callable[[], Awaitable[bool]], comment: Callable[[], Awaitable[None]]
    ) -> None:
        self._is_there = is_there
        self._comment = comment
        self._has_just_asked = True

    async def __call__(self) -> bool:
        """Report whether the client is there, as far as can be found out."""
        if self._has_just_asked:
            self._has_just_asked = False
            return await self._is_there()
        for pause_s in PAUSES_S:
            if not await self._is_there():
                return False
            await self._comment()
            await asyncio.sleep(pause_s)
        return await self._is_there()

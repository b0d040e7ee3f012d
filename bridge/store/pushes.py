"""Which queued events are told to a session now: a typed face of the step that decides."""

import json
from collections.abc import Sequence

from bridge.models import Event
from bridge.store.events import event_of
from bridge.store.push_steps import PUSH
from bridge.store.scripts import Steps


class PushStore:
    """Speaks Redis for pushes."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def due(
        self,
        server: str,
        hooks: Sequence[str],
        token: str,
        most: int,
        pauses_s: tuple[float, float],
    ) -> tuple[list[Event], float | None]:
        """Claim what is to be told now of the `most` first events, and say in how many seconds more is.

        The next time an event is due comes after the first pause, then after twice as long each
        time, up to the longest; an event that was taken and came back begins anew. The same `token`
        again is the same wish.
        """
        first_s, longest_s = pauses_s
        next_ms, rows = await self._steps.run(
            PUSH,
            server=server,
            hooks=json.dumps(list(hooks)),
            token=token,
            most=most,
            first_ms=round(first_s * 1000),
            longest_ms=round(longest_s * 1000),
        )
        events = [event_of(row) for row in rows]
        return events, int(next_ms) / 1000 if int(next_ms) >= 0 else None

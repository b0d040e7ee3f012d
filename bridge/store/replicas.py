"""Has replicas acknowledge what a batch of steps has written, or has found written."""

from collections.abc import Iterable, Sequence
from typing import Any

from redis.exceptions import RedisError

from bridge.redis_faults import RedisFault, fault_of
from bridge.store.assembly import Script
from bridge.store.keys import ACKNOWLEDGED_CHANNEL
from bridge.store.round_trips import Command

WAIT_MS = 1000
"""How long a batch waits; it is sent again after that, for as long as its steps have patience."""


class Replicas:
    """How many replicas must have what a step has promised.

    WAIT waits for what its own connection has written last, and a duplicate, say, finds written
    what another process wrote a moment ago. A message that nobody hears is replicated behind all of
    that, and costs the disk nothing.
    """

    def __init__(self, least: int) -> None:
        self._least = least
        self._unacknowledged = RedisFault(
            f"the store cannot promise anything: fewer replicas than BRIDGE_REPLICAS_MIN={least} "
            f"acknowledge within {WAIT_MS / 1000:g} s; they are away, behind or in maintenance, or "
            "this Redis is the primary no more",
            may_be_elsewhere=True,
        )

    def commands(self, scripts: Iterable[Script]) -> Sequence[Command]:
        """Return what goes behind a batch: nothing where its steps only read."""
        return () if all(script.only_reads for script in scripts) else self.waiting()

    def waiting(self) -> Sequence[Command]:
        """Return what goes behind whatever else was written."""
        return ("PUBLISH", ACKNOWLEDGED_CHANNEL, ""), ("WAIT", self._least, WAIT_MS)

    def fault_in(self, answer: Any) -> RedisFault | None:
        """Judge the answer to the last of those commands."""
        if isinstance(answer, RedisError):
            return fault_of(answer) or RedisFault(f"Redis does not WAIT: {answer}", lasts=True)
        return self._unacknowledged if answer < self._least else None

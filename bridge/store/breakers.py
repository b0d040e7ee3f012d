"""One circuit breaker an origin, shared by all workers: an n8n that fails is left in peace a while.

Closed: all go through. After FAILURES in a row it opens, and nobody sends. When that time is over
one probe goes through: it closes the circuit, or opens it again for twice as long.
"""

import json
from dataclasses import dataclass

from bridge.store.steps import Steps, step

FAILURES = 5
OPEN_FIRST_S, OPEN_CAP_S = 2.0, 30.0
PROBE_S = 60.0
"""How long a probe counts as under way: longer than any attempt takes."""
PROBE_LOOK_S = 1.0


@step("breakers.admit")
async def _admit(
    steps: Steps, *, origin: str, token: str, failures: int, probe_ms: int, look_ms: int
) -> int:
    """Return for how many milliseconds a sender must stay away from an origin."""


@step("breakers.failed")
async def _failed(
    steps: Steps, *, origin: str, token: str, failures: int, first_ms: int, cap_ms: int
) -> bool:
    """Record that an origin took no request; True where this opened its circuit."""


@step("breakers.worked")
async def _worked(steps: Steps, *, origin: str) -> bool:
    """Record that an origin answered; False: it was healthy."""


@dataclass(frozen=True)
class Breakers:
    """Speaks Redis for circuit breakers."""

    steps: Steps

    async def admit(self, origin: str, token: str) -> float:
        """Return the seconds that a sender must stay away from an origin: 0 lets it send now."""
        rest_ms = await _admit(
            self.steps,
            origin=origin,
            token=token,
            failures=FAILURES,
            probe_ms=round(PROBE_S * 1000),
            look_ms=round(PROBE_LOOK_S * 1000),
        )
        return rest_ms / 1000

    async def failed(self, origin: str, token: str) -> bool:
        """Put on record that an origin took no request; tells whether this opened its circuit."""
        return await _failed(
            self.steps,
            origin=origin,
            token=token,
            failures=FAILURES,
            first_ms=round(OPEN_FIRST_S * 1000),
            cap_ms=round(OPEN_CAP_S * 1000),
        )

    async def worked(self, origin: str) -> bool:
        """Record that an origin answered, which closes its circuit; False: it was healthy."""
        return await _worked(self.steps, origin=origin)


def is_open(circuit: bytes) -> bool:
    """Report whether a circuit, as it stands on record, keeps senders away but for a probe."""
    return bool(json.loads(circuit)["failures"] >= FAILURES)

"""What tells one store from another, and from itself before it lost something."""

from dataclasses import dataclass
from typing import NamedTuple

from bridge.store.steps import Steps, step


class IdentityRow(NamedTuple):
    """The name of the store, and the last order number that it gave."""

    name: str
    order: int | None


@step("identity.read")
async def _read(steps: Steps, *, fresh: str) -> IdentityRow:
    """Read which store this is."""


@dataclass(frozen=True)
class Identity:
    """Which store this is, and the last order number that it gave: it only ever grows."""

    name: str
    order: int


class IdentityStore:
    """Speaks Redis for its identity."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def read(self, fresh: str) -> Identity:
        """Read which store this is; one that has no name yet is named `fresh`."""
        row = await _read(self._steps, fresh=fresh)
        return Identity(row.name, row.order or 0)

"""Keys that `Bridge-Caller` is signed with, on record for all processes."""

from typing import NamedTuple

from bridge.store.steps import Steps, step

CHANGED = "caller_keys"
"""What rings when the keys are others."""


class CallerKeyRow(NamedTuple):
    """A key as steps answer it: its private half as PEM, and when it signs from and ends."""

    key_id: str
    private: str
    signs_at: int
    signs_in_ms: int
    ends_at: int | None


@step("caller_keys.read")
async def _read(steps: Steps, *, key_id: str, private: str) -> list[CallerKeyRow]:
    """Read the keys that count."""


@step("caller_keys.rotate")
async def _rotate(steps: Steps, *, key_id: str, private: str, delay_ms: int, lives_ms: int) -> None:
    """Have a new key sign after a while."""


class CallerKeyStore:
    """Speaks Redis for the keys that `Bridge-Caller` is signed with."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def read(self, key_id: str = "", private: str = "") -> list[CallerKeyRow]:
        """Read the keys that count; the one given becomes the first where there is none."""
        return await _read(self._steps, key_id=key_id, private=private)

    async def rotate(self, key_id: str, private: str, delay_s: float, lives_s: float) -> None:
        """Have a new key sign after `delay_s`; those before it end `lives_s` after that.

        Without a delay they end at once.
        """
        await _rotate(
            self._steps,
            key_id=key_id,
            private=private,
            delay_ms=round(delay_s * 1000),
            lives_ms=round(lives_s * 1000),
        )

"""A brake on guessing: how many wrong credentials an address may bring in a minute."""

import time
from array import array
from collections.abc import Iterable
from dataclasses import dataclass

WINDOW_S = 60
LINES_MAX = 60
"""Lines of the log that an address may cause in a minute without having proved anything."""
FAILURES_MAX = 20
"""Wrong credentials of one address in a minute: a program that is set up wrongly has fewer."""
FAILURES_MAX_OF_ALL = 1000
"""Of all together; beyond it each address has no more than FAILURES_MAX_BEYOND."""
FAILURES_MAX_BEYOND = 5
"""Still enough for a client whose token has run out to hear so, and to renew it."""
PLACES = 65_536
"""Addresses share as many counters, so that what is kept does not grow with their number."""


@dataclass(frozen=True)
class Throttled:
    """That a wrong credential is one too many; `is_first` of its address in this minute."""

    retry_after_s: int
    is_first: bool


class GuessThrottle:
    """Counts wrong credentials, and says from when on they are answered by "too many" alone.

    What is right is never counted nor held up, whatever came before it from its address: many
    people share an address, and whoever is locked out by others' guesses is whom they aim at.
    """

    def __init__(
        self,
        of_one: int = FAILURES_MAX,
        of_all: int = FAILURES_MAX_OF_ALL,
        beyond: int = FAILURES_MAX_BEYOND,
    ) -> None:
        self._of_one, self._of_all, self._beyond = of_one, of_all, beyond
        self._minute = -1
        self._counts = array("I")
        self._total = 0

    def count(self, addresses: Iterable[str]) -> Throttled | None:
        """Count a wrong credential; return how long to wait, if it is one too many."""
        now_s = time.monotonic()
        minute = int(now_s // WINDOW_S)
        if minute != self._minute:
            self._minute, self._total = minute, 0
            self._counts = array("I", bytes(4 * PLACES))
        self._total += 1
        most = self._of_one if self._total <= self._of_all else self._beyond
        brought = max(self._one_more(address) for address in addresses)
        if brought <= most:
            return None
        return Throttled(WINDOW_S - int(now_s % WINDOW_S), is_first=brought == most + 1)

    def _one_more(self, address: str) -> int:
        place = hash(address) % PLACES  # seeded anew in each process
        self._counts[place] += 1
        return self._counts[place]

"""What a promise is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Promise:
    """A sentence, and the names of the tests that prove it by the file that they are in."""

    sentence: str
    tests: Mapping[str, tuple[str, ...]]

    def named(self) -> Iterator[tuple[str, str]]:
        """Yield the file and the name of each test."""
        return ((file, name) for file, names in self.tests.items() for name in names)

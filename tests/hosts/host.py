"""What journeys may ask of a host, the program that Claude reaches the bridge with."""

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tests.bridge_processes import SERVER, TOKEN

AUTHORIZATION = f"Bearer {TOKEN}"
STDIO = "stdio"


class HostError(Exception):
    """A host ended, or did not start."""


@dataclass(frozen=True)
class Answer:
    """What a host tells its model of a tool call."""

    text: str
    is_error: bool

    @property
    def value(self) -> dict[str, Any]:
        """Return the structured result.

        Raises:
            AssertionError: the call failed, or its result is no object.
        """
        assert not self.is_error, self.text
        found = json.loads(self.text)
        assert isinstance(found, dict), self.text
        return found


class Host(Protocol):
    """A host that is connected to the bridge, with a script in the place of its model."""

    async def call(self, tool: str, **arguments: Any) -> Answer:
        """Have the model ask for a tool; returns what the host tells it.

        Raises:
            HostError: the host has ended.
        """


@dataclass(frozen=True)
class Address:
    """A server of the bridge on one wire.

    `origin` is scheme, host and port; over stdio, the file of the program that the host starts.
    """

    origin: str
    wire: str

    @property
    def url(self) -> str:
        """Format it."""
        return f"{self.origin}{self.wire}/{SERVER}"

    @property
    def program(self) -> str | None:
        """Return what to start, where there is no URL."""
        return self.origin if self.wire == STDIO else None


Connect = Callable[[Address, Path], AbstractAsyncContextManager[Host]]
"""Connects a host to an address; the folder, which is its own, holds what it writes."""

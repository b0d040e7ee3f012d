"""The TCP connection that a request came on: what ASGI does not tell of it, and its sudden end."""

import array
import asyncio
import fcntl
import termios
from collections.abc import Container

from starlette.types import Scope

CONNECTION = "bridge.connection"
"""Where a request's scope names its connection, when we serve it."""

PROXIED = ("forwarded", "via", "x-forwarded-for")


class Connection:
    """One HTTP connection, whatever was answered on it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def is_open(self) -> bool:
        """Tell whether nobody has closed it."""
        return not self._transport.is_closing()

    def is_taken(self) -> bool:
        """Tell whether the other side's system has all that was written.

        Source: tcp(7), SIOCOUTQ, the bytes not acknowledged yet; where the system does not tell,
        what has left this process counts as taken.
        """
        return not self._transport.get_write_buffer_size() and not self._unacknowledged_bytes()

    def _unacknowledged_bytes(self) -> int:
        count = array.array("i", [0])
        try:
            fcntl.ioctl(self._transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, count)
        except (OSError, ValueError):  # the latter once it is closed
            return 0
        return count[0]

    def cut_unless_taken(self) -> None:
        """End it now, if the other side's system has not taken all that was written."""
        if not self.is_taken():
            self._transport.abort()


def connection_of(scope: Scope) -> Connection | None:
    """Find the connection of a request; None when another server than ours serves it."""
    found = scope.get("extensions", {}).get(CONNECTION)
    return found if isinstance(found, Connection) else None


def is_proxied(headers: Container[str]) -> bool:
    """Tell by a request's headers whether somebody stands between the client and its connection."""
    return any(name in headers for name in PROXIED)

"""TCP ports that are free or taken, and how many connections a process may have open."""

import contextlib
import logging
import resource
import secrets
import socket
import time

from bridge.errors import ConfigurationError

BACKLOG = 2048

RARELY_TAKEN = range(20_000, 32_768)
"""Ports that systems give to no outgoing connection by themselves: Linux begins behind them."""

TRIES = 100


def listen(host: str, port: int) -> socket.socket:
    """Take a TCP port.

    Raises:
        ConfigurationError: it is taken, or the host is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
        # asyncio sets it only on sockets that were made with their protocol named; without it an
        # answer's body waits 40 ms for its head to be acknowledged. Connections inherit it.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        why = str(error.strerror).partition(" (")[0]
        raise ConfigurationError(
            (
                f"cannot listen on {host} port {port}: {why}; "
                "end what listens there, or choose others with BRIDGE_HOST and BRIDGE_PORT",
            )
        ) from error
    return listener


def free_port(preferred: int = 0) -> int:
    """Find a port on loopback that nobody listens on now: `preferred`, where that is one.

    Until it is listened on, no connection of another program's is likely to take it.
    """
    tried = [preferred] if preferred else []
    tried += [secrets.choice(RARELY_TAKEN) for _ in range(TRIES)]
    for port in (*tried, 0):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)) as probe:
            found: int = probe.getsockname()[1]
            return found
    raise ConfigurationError(("no port is free on 127.0.0.1: end what listens there",))


logger = logging.getLogger(__name__)

BESIDE_STREAMS = 1000
"""What a process needs for all but its standing streams: short requests, n8n, Redis."""

KEPT_FREE = 64
"""What no connection from outside may take, where the limit allows for that much: Redis and n8n
must be reached however many strangers connect."""

SAY_AGAIN_S = 60.0


def make_room(streams: int) -> None:
    """Raise this process's limit so far that it can hold so many streams; say where it cannot."""
    wanted = streams + BESIDE_STREAMS
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed != resource.RLIM_INFINITY and allowed < wanted:
        raised = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, most))
        if raised < wanted:
            logger.warning("files.few", extra={"open_files_max": raised, "wanted": wanted})


class OpenFiles:
    """Watches for the limit, which the event loop meets without a word.

    libuv accepts and closes what comes when a process may open no more files. A new file gets the
    lowest number that is free (POSIX, 2.14), so a number near the limit says that all below it are
    taken.
    """

    def __init__(self) -> None:
        self._say_at = 0.0

    def has_room(self, file: int) -> bool:
        """Report whether the file just opened leaves enough free; log, at times, if it does not."""
        allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if allowed == resource.RLIM_INFINITY or file < allowed - min(KEPT_FREE, allowed // 4):
            return True
        now = time.monotonic()
        if now >= self._say_at:
            self._say_at = now + SAY_AGAIN_S
            logger.error("files.exhausted", extra={"open_files_max": allowed})
        return False

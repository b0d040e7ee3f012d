"""TCP ports: taking the one that was asked for, finding one that is free."""

import socket

from bridge.errors import ConfigurationError

BACKLOG = 2048


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
    """Find a port on loopback that nobody listens on now: `preferred`, where that is one."""
    try:
        probe = socket.create_server(("127.0.0.1", preferred))
    except OSError:
        return free_port()
    with probe:
        port: int = probe.getsockname()[1]
        return port

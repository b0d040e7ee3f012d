"""TCP options by which the system finds out that the other end has vanished without a word.

A host that loses its power or its network sends no FIN and no RST. Where nothing is to be sent, a
connection to it looks as if it still stood, for ever.
"""

import socket

IDLE_S = 20
"""How long nothing comes before the other end is asked whether it is there.

Shorter than routers and proxies remember a connection on which nothing flows.
"""
AGAIN_S = 10
GONE_AFTER_S = 60
"""How long the other end may acknowledge nothing: so long one that vanished is waited for."""


def _known(**options: int) -> list[tuple[int, int, int]]:
    """Return those options of TCP that this system has."""
    return [
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in options.items()
        if hasattr(socket, name)
    ]


PATIENT = _known(TCP_USER_TIMEOUT=GONE_AFTER_S * 1000)
"""End a connection whose other end acknowledges nothing."""

WATCHED = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *_known(TCP_KEEPIDLE=IDLE_S, TCP_KEEPINTVL=AGAIN_S),
    *PATIENT,
]
"""The same for one on which nothing may be sent for long either."""

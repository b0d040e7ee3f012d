"""The balancer of one host: its connections to the web processes are that host's."""

import asyncio
import socket
from collections.abc import Sequence

from typing_extensions import override

from tests.machines.hosts import Host
from tests.proxy import Address, Proxy, Streams

CONNECT_S = 1.0
GONE_AFTER_S = 5
"""How long a web process may acknowledge nothing before its connections count as broken."""


class Balancer(Proxy):
    """Connects from one host, and breaks what leads to a host that has vanished."""

    def __init__(self, host: Host, addresses: Sequence[Address]) -> None:
        super().__init__(addresses)
        self._host = host

    @override
    async def open(self, address: Address) -> Streams:
        with self._host.entered():
            raw = socket.socket()
        raw.setblocking(False)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, seconds in ((socket.TCP_KEEPIDLE, 2), (socket.TCP_KEEPINTVL, 1)):
            raw.setsockopt(socket.IPPROTO_TCP, option, seconds)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GONE_AFTER_S * 1000)
        try:
            async with asyncio.timeout(CONNECT_S):
                await asyncio.get_running_loop().sock_connect(raw, address)
        except BaseException:
            raw.close()
            raise
        return await asyncio.open_connection(sock=raw)

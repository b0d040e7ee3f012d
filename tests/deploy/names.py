"""Names of containers, told by a DNS server as Docker's own tells them."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import cast

from typing_extensions import override

FOUND, UNKNOWN = 0x8180, 0x8183
A_RECORD = struct.pack(">HHHIH", 0xC00C, 1, 1, 600, 4)


class Names(asyncio.DatagramProtocol):
    """Answers each question with the addresses that a name has at that moment.

    Source: RFC 1035, 4.1.
    """

    def __init__(self, addresses: Mapping[str, Sequence[str]]) -> None:
        self._addresses = addresses

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # uvloop's is no subclass

    @override
    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        end = data.index(b"\0", 12)
        name, at = [], 12
        while at < end:
            name.append(data[at + 1 : at + 1 + data[at]].decode())
            at += 1 + data[at]
        found = self._addresses.get(".".join(name), ())
        header = struct.pack(">HHHHH", FOUND if found else UNKNOWN, 1, len(found), 0, 0)
        records = b"".join(A_RECORD + socket.inet_aton(address) for address in found)
        self._transport.sendto(data[:2] + header + data[12 : end + 5] + records, addr)


@contextlib.asynccontextmanager
async def telling(addresses: Mapping[str, Sequence[str]]) -> AsyncIterator[str]:
    """Tell these addresses, as they change; returns the server's own, with its port."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: Names(addresses), local_addr=("127.0.0.1", 0)
    )
    try:
        yield "{}:{}".format(*transport.get_extra_info("sockname"))
    finally:
        transport.close()

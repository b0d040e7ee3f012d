"""Names of containers, told by a DNS server as Docker's own tells them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import cast

from dns.message import from_wire, make_response
from dns.rcode import NXDOMAIN
from dns.rrset import from_text_list
from typing_extensions import override

TOLD_FOR_S = 600
"""As Docker says, though it may know better a moment later."""


class Names(asyncio.DatagramProtocol):
    """Answers each question with the addresses that a name has at that moment."""

    def __init__(self, addresses: Mapping[str, Sequence[str]]) -> None:
        self._addresses = addresses

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # uvloop's is no subclass

    @override
    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = from_wire(data)
        answer, (question,) = make_response(query), query.question
        if found := self._addresses.get(question.name.to_text(omit_final_dot=True)):
            answer.answer.append(from_text_list(question.name, TOLD_FOR_S, "IN", "A", found))
        else:
            answer.set_rcode(NXDOMAIN)
        self._transport.sendto(answer.to_wire(), addr)


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

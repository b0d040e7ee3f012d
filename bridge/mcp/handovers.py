"""Proof of receipt on wires without sessions, by the connection that carried the answer.

An HTTP/1.1 client sends its next request on a connection only after it has read the answer to the
one before; and a connection that is still open some seconds later was not dropped. Behind a proxy
a connection proves nothing of the client. Without proof an answer counts as not received.
"""

import asyncio
from collections import OrderedDict

from starlette.datastructures import Address
from starlette.requests import Request

from bridge.connection import connection_of, is_proxied
from bridge.verbs.receipts import NOTHING

CONNECTIONS_MAX = 10_000
SURE_AFTER_S = 5.0


class Handovers:
    """What this process has written whose receipt is not proven yet, by connection."""

    def __init__(self) -> None:
        self._open: OrderedDict[Address, list[str]] = OrderedDict()

    def written(self, request: Request, receipt: str) -> None:
        """Note that an answer was written whole on a connection that was still open."""
        connection = request.client
        if connection is None or receipt == NOTHING or is_proxied(request.headers):
            return
        self._open.setdefault(connection, []).append(receipt)
        self._open.move_to_end(connection)
        if len(self._open) > CONNECTIONS_MAX:
            self._open.popitem(last=False)

    def proven(self, request: Request) -> list[str]:
        """Give the receipts that a new request on its connection proves, once."""
        connection = request.client
        return self._open.pop(connection, []) if connection is not None else []


async def stays_open(request: Request) -> bool:
    """Tell whether a request's connection is open SURE_AFTER_S from now, its answer taken."""
    connection = connection_of(request.scope)
    if connection is None or is_proxied(request.headers):
        return False
    await asyncio.sleep(SURE_AFTER_S)
    return connection.is_open() and connection.is_taken()

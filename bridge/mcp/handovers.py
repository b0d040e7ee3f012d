"""Proof of receipt on wires without sessions: the next request on the same connection.

An HTTP/1.1 client sends its next request on a connection only after it has read the answer to the
one before. Without that proof an answer counts as not received: when in doubt it was not.
"""

from collections import OrderedDict

from starlette.datastructures import Address

from bridge.receipts import NOTHING

CONNECTIONS_MAX = 10_000


class Handovers:
    """What this process has written whose receipt is not proven yet, by connection."""

    def __init__(self) -> None:
        self._open: OrderedDict[Address, list[str]] = OrderedDict()

    def written(self, connection: Address | None, receipt: str) -> None:
        """Note that an answer was written whole on a connection that was still open."""
        if connection is None or receipt == NOTHING:
            return
        self._open.setdefault(connection, []).append(receipt)
        self._open.move_to_end(connection)
        if len(self._open) > CONNECTIONS_MAX:
            self._open.popitem(last=False)

    def proven(self, connection: Address | None) -> list[str]:
        """Give the receipts that a new request on this connection proves, once."""
        return self._open.pop(connection, []) if connection is not None else []

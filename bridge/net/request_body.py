"""The body of a request: read no further than it may be long, and than there is room for."""

import contextlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator

from starlette.requests import Request

from bridge.errors import MalformedError, TooLargeError, TransientError
from bridge.formats.json_text import show


def unread_coding(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Return what to say of a body in a transfer coding that is not taken off; None for any other.

    The parser takes off `chunked` and leaves every other as if it were the body.

    Source: RFC 9112, 6.1.
    """
    given = [value for name, value in headers if name == b"transfer-encoding"]
    if not given:
        return None
    named = b",".join(given)
    codings = [each.strip().lower() for each in named.split(b",") if each.strip()]
    if not named or codings == [b"chunked"]:
        return None
    shown = show(named.decode("latin-1").strip())
    return f"cannot read Transfer-Encoding {shown}; send chunked alone, gzip by Content-Encoding"


async def read_body(
    request: Request, max_bytes: int, hold: Callable[[int], None] = lambda _: None
) -> bytes:
    """Read a body up to the limit; a longer one is refused at once, by its announced length even.

    `hold` is told how much of it is held by now, and may raise.

    The server reads on and drops what still comes, up to twice the limit, so that a sender that
    writes all before it listens sees the 413 instead of a broken connection.

    Raises:
        TooLargeError: the body is longer than `max_bytes`.
        MalformedError: the sender left in the middle of it.
    """
    _demand(int(request.headers.get("content-length", 0)), max_bytes)
    body = bytearray()
    has_more = True
    while has_more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise MalformedError("the body is cut off")
        body += message.get("body", b"")
        has_more = message.get("more_body", False)
        _demand(len(body), max_bytes)
        hold(len(body))
    return bytes(body)


def _demand(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise TooLargeError(f"the body is longer than {max_bytes} bytes (BRIDGE_MAX_BODY_BYTES)")


FREE_BYTES = 64 * 1024
"""What of each body counts for nothing: the server holds as much for any connection, and nearly
all signed requests have less, so that no crowd of strangers can keep them out."""

PROVED_MAX = 1000
"""Senders that are remembered: those who proved themselves last."""

AGAIN_S = 2.0

Sender = tuple[str, tuple[str, ...]]
"""A hook, and the addresses that a request comes from."""


class BodyBudget:
    """Shares out what one process holds of such bodies: four times what a body may have.

    Nothing in a signed request can be told from a forged one before all of it is there, but for
    where it comes from. So half of the room is only for addresses that have sent this hook a right
    signature before. Of the other half a hook has half, and nobody more than one body.
    """

    def __init__(self, body_bytes_max: int) -> None:
        self._body_bytes_max = body_bytes_max
        self._held: Counter[tuple[str, ...]] = Counter()
        self._proved: OrderedDict[Sender, None] = OrderedDict()

    @contextlib.contextmanager
    def holding(self, hook: str, clients: tuple[str, ...]) -> Iterator["Hold"]:
        """Account for one body while the block lasts."""
        hold = Hold(self, (hook, clients))
        try:
            yield hold
        finally:
            self.release(hold)

    def pools_of(self, sender: Sender) -> dict[tuple[str, ...], int]:
        """Return what a sender's body counts against, each with its limit in bytes."""
        hook, clients = sender
        one = self._body_bytes_max
        if sender in self._proved:
            return {("all",): 4 * one, ("proved", hook, *clients): 2 * one}
        return {
            ("all",): 4 * one,
            ("strangers",): 2 * one,
            ("hook", hook): one,
            ("client", *clients): one,
        }

    def take(self, hold: "Hold", size: int) -> None:
        """Take room for `size` bytes more.

        Raises:
            TransientError: there is none.
        """
        if any(self._held[pool] + size > most for pool, most in hold.pools.items()):
            raise TransientError(
                "too many long bodies are being read whose signature is not checked yet: send this "
                "one again",
                AGAIN_S,
            )
        self._held.update(dict.fromkeys(hold.pools, size))
        hold.counted += size

    def release(self, hold: "Hold") -> None:
        """Release the room."""
        for pool in hold.pools:
            self._held[pool] -= hold.counted
            if not self._held[pool]:
                del self._held[pool]

    def remember(self, sender: Sender) -> None:
        """Record that a sender has proved itself."""
        self._proved[sender] = None
        self._proved.move_to_end(sender)
        if len(self._proved) > PROVED_MAX:
            self._proved.popitem(last=False)


class Hold:
    """What is held of one body."""

    def __init__(self, budget: BodyBudget, sender: Sender) -> None:
        self._budget = budget
        self._sender = sender
        self.pools = budget.pools_of(sender)
        self.counted = 0

    def grow_to(self, size: int) -> None:
        """Account for a body of which `size` bytes are held by now.

        Raises:
            TransientError: there is no room for it.
        """
        more = size - FREE_BYTES - self.counted
        if more > 0:
            self._budget.take(self, more)

    def is_proved(self) -> None:
        """Record that the body has proved its sender."""
        self._budget.remember(self._sender)

"""The body of a request, read no further than it may be long."""

from collections.abc import Callable

from starlette.requests import ClientDisconnect, Request

from bridge.errors import MalformedError, TooLargeError


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
    try:
        async for chunk in request.stream():
            body += chunk
            _demand(len(body), max_bytes)
            hold(len(body))
    except ClientDisconnect as error:
        raise MalformedError("the body is cut off") from error
    return bytes(body)


def _demand(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise TooLargeError(f"the body is longer than {max_bytes} bytes (BRIDGE_MAX_BODY_BYTES)")

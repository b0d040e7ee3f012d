"""The body of a request, read no further than it may be long."""

from starlette.requests import Request

from bridge.errors import TooLargeError


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Read a body up to the limit; a longer one is read on and dropped, up to twice the limit.

    Reading on lets the sender see the 413 instead of a broken connection.

    Raises:
        TooLargeError: the body is longer than `max_bytes`.
    """
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= max_bytes:
            chunks.append(chunk)
        elif size > 2 * max_bytes:
            break
    if size > max_bytes:
        raise TooLargeError(f"the body is longer than {max_bytes} bytes (BRIDGE_MAX_BODY_BYTES)")
    return b"".join(chunks)

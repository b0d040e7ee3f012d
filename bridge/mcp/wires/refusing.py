"""stdio without a bridge: each request is answered by why there is none, and then the process ends.

A host shows people what a server answers, and little or nothing of what it says on stderr: of one
that just ends they read "Connection closed".
"""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from mcp_types.jsonrpc import INTERNAL_ERROR

from bridge.errors import MalformedError
from bridge.formats.json_text import parse_json
from bridge.mcp.exchange import encode, error_message
from bridge.mcp.wires.messages import is_message
from bridge.mcp.wires.pipes import LinesIn, LinesOut
from bridge.models import Json

LINE_BYTES = 1 << 24
NEXT_WITHIN_S = 5.0
"""How long the next request is waited for: a client of 2026 asks once more, by `initialize`."""


async def refuse(source: LinesIn, sink: LinesOut, faults: Sequence[str]) -> None:
    """Answer each request with an error that names these faults, until the client has left.

    One that says nothing for NEXT_WITHIN_S has heard what there is to hear.
    """
    why = "; ".join(faults)
    async with contextlib.aclosing(source.lines()) as lines:
        with contextlib.suppress(OSError, StopAsyncIteration, TimeoutError):
            while True:
                line = await asyncio.wait_for(anext(lines), NEXT_WITHIN_S)
                for request_id in _requests_in(line):
                    await sink.write(encode(error_message(request_id, INTERNAL_ERROR, why)))


def _requests_in(line: bytes | None) -> Iterator[str | int | None]:
    """Yield the id of each request in a line, a batch's too; None for what cannot be read."""
    if line is not None and not line.strip():
        return
    try:
        body: Json = None if line is None else parse_json(line)
    except MalformedError:
        body = None
    messages: list[Json] = body if isinstance(body, list) else [body]
    for message in messages:
        if not isinstance(message, dict) or not is_message(message):
            yield None
        elif "method" in message and "id" in message:
            request_id: Any = message["id"]
            yield request_id

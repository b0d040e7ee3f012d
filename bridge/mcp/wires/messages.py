"""JSON-RPC messages on wires that bring them as text: read, accepted and refused."""

import asyncio
import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mcp_types import PROTOCOL_VERSION_META_KEY
from mcp_types.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR
from starlette.requests import Request

from bridge.errors import MalformedError, NumberError
from bridge.formats.json_text import parse_json
from bridge.mcp.exchange import encode, error_message
from bridge.mcp.wires.pipes import LinesIn, LinesOut
from bridge.models import Json, Message

BATCHES_UNTIL = "2025-03-26"
"""The one protocol version that has batches of JSON-RPC."""


def is_message(message: object) -> bool:
    """Report whether a JSON value is one request, notification or answer.

    Source: JSON-RPC 2.0, 4; MCP, "Messages": params are an object, where there are any.
    """
    if not isinstance(message, Mapping) or message.get("jsonrpc") != "2.0":
        return False
    if not isinstance(message.get("params"), Mapping | None):
        return False
    if "method" in message:
        return isinstance(message["method"], str) and _has_good_id(message)
    return "id" in message and ("result" in message or "error" in message)


def not_a_message(body: Json, sentence: str) -> Message:
    """Return the answer to JSON that is no message: to its request, if only its params are wrong.

    Source: JSON-RPC 2.0, 5: the id is null where it could not be detected.
    """
    rest = {**body, "params": None} if isinstance(body, dict) and "method" in body else {}
    request_id: Any = rest.get("id") if is_message(rest) else None
    return error_message(request_id, INVALID_REQUEST, sentence)


def unreadable(content: bytes, error: MalformedError) -> Message:
    """Return the answer to a message that cannot be taken: to its request, if it says which.

    JSON that other programs read, with a number beyond a double say, has an id all the same, and a
    client waits for the answer that carries it.

    Source: JSON-RPC 2.0, 5: the id is null where it could not be detected.
    """
    try:
        message: Json = json.loads(content)
    except (ValueError, RecursionError):
        message = None
    known = message if isinstance(message, dict) and is_message(message) else {}
    request_id: Any = known.get("id")
    code = INVALID_PARAMS if isinstance(error, NumberError) else PARSE_ERROR
    return error_message(request_id, code, str(error))


def batch_in(body: Json) -> list[Message]:
    """Read a batch; empty when it is none. No handshake is part of one.

    Source: MCP 2025-03-26, "Messages" and "Lifecycle".
    """
    members = body if isinstance(body, list) else []
    batch = [message for message in members if isinstance(message, dict) and is_message(message)]
    is_whole = len(batch) == len(members)
    return batch if is_whole and all(each.get("method") != "initialize" for each in batch) else []


def has_envelope(message: Message) -> bool:
    """Report whether a message carries what only the 2026 wire has."""
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, Mapping) else None
    return isinstance(meta, Mapping) and PROTOCOL_VERSION_META_KEY in meta


def _has_good_id(message: Mapping[str, Any]) -> bool:
    request_id = message.get("id", "")
    return isinstance(request_id, str | int) and not isinstance(request_id, bool)


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


JSON, EVENTS = "application/json", "text/event-stream"


def accepts(request: Request, *kinds: str) -> bool:
    """Report whether a client takes all of these kinds; one that says nothing takes any."""
    ranges = {
        media.partition(";")[0].strip()
        for media in request.headers.get("accept", "*/*").lower().split(",")
    }
    return all({kind, kind.partition("/")[0] + "/*", "*/*"} & ranges for kind in kinds)

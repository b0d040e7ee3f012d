"""Streamable HTTP on one address: each request goes to its wire, and here is that of 2026-07-28.

There a request has its own stream and its answer, and nothing is kept between requests.

On purpose:

1. Leaving the stream ends the waiting, not a call that was sent to n8n; that one runs on, and its
   result stays with the call.
2. The stream opens within OPEN_WITHIN_S, with a comment, so that no proxy sees a silent start.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from mcp.server.connection import Connection
from mcp.shared.inbound import (
    ERROR_CODE_HTTP_STATUS,
    InboundLadderRejection,
    InboundModernRoute,
    classify_inbound_request,
    find_duplicated_routing_header,
    unsupported_protocol_version_rejection,
    validate_mcp_param_headers,
)
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types import PROTOCOL_VERSION_META_KEY
from mcp_types.jsonrpc import (
    HEADER_MISMATCH,
    INVALID_REQUEST,
    PARSE_ERROR,
    UNSUPPORTED_PROTOCOL_VERSION,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp
from typing_extensions import override

from bridge.errors import MalformedError
from bridge.formats.json_text import off_loop, parse_json
from bridge.mcp.endpoint import McpRequest, authenticate
from bridge.mcp.exchange import (
    EVENTS,
    JSON,
    Answer,
    Exchange,
    NullChannel,
    accepts,
    answer,
    batch_in,
    encode,
    error_message,
    is_message,
    not_a_message,
    unreadable,
)
from bridge.mcp.http_acks import AckedAnswer, HttpAck
from bridge.mcp.tools import LAST_WAIT_S, Caller
from bridge.mcp.wires import streamable_2025
from bridge.mcp.wires.event_stream import KEEPALIVE, EventStream, Last, event
from bridge.models import Json, Message
from bridge.net.connection import connection_of
from bridge.net.request_body import read_body

Serve = Callable[[McpRequest, Message], Awaitable[ASGIApp]]


async def post(request: Request) -> ASGIApp:
    """Serve a POST of any era."""
    return await _post(request, serve_2026)


async def post_2025(request: Request) -> ASGIApp:
    """Serve a POST of the 2025 wires, whose streams can be resumed, and no other."""
    return await _post(request, _fall_back)


async def get(request: Request) -> ASGIApp:
    """Serve the streams of the 2025 wires that no POST opens."""
    entered = await authenticate(request)
    await drop_body(entered)
    return _only_posts(request) or await streamable_2025.listen(entered)


async def delete(request: Request) -> ASGIApp:
    """End a session of the 2025 wires."""
    entered = await authenticate(request)
    return _only_posts(request) or await streamable_2025.end(entered)


async def _post(request: Request, serve_enveloped: Serve) -> ASGIApp:
    entered = await authenticate(request)
    if not accepts(request, JSON, EVENTS):
        sentence = "Accept must name application/json and text/event-stream"
        return JSONResponse(error_message(None, INVALID_REQUEST, sentence), 406)
    body = await _read_json(request, entered.caller.runtime.settings.max_body_bytes)
    if batch := _batch(request, body):
        return await streamable_2025.serve_batch(entered, batch)
    message = _one_message(body)
    if isinstance(message, Response):
        return message
    serve = serve_enveloped if _is_modern(request, message) else streamable_2025.serve
    return await serve(entered, message)


async def _fall_back(request: McpRequest, message: Message) -> ASGIApp:
    """Name the versions served here, so that the client takes one of them.

    Source: MCP 2026-07-28, "Versioning": how a client of both eras probes.
    """
    known = {
        "supported": list(HANDSHAKE_PROTOCOL_VERSIONS),
        "requested": request.http.headers.get("mcp-protocol-version", ""),
    }
    sentence = "this address serves the handshake versions only"
    return JSONResponse(
        error_message(message.get("id"), UNSUPPORTED_PROTOCOL_VERSION, sentence, known), 400
    )


def _only_posts(request: Request) -> Response | None:
    """Refuse what the 2026 wire does not have: it knows no method but POST."""
    if request.headers.get("mcp-protocol-version") in MODERN_PROTOCOL_VERSIONS:
        return Response(status_code=405, headers={"Allow": "POST"})
    return None


async def read_message(request: Request, max_bytes: int) -> Message | Response:
    """Read one JSON-RPC message, or give the refusal."""
    return _one_message(await _read_json(request, max_bytes))


async def drop_body(request: McpRequest) -> None:
    """Read what a GET has for a body, which means nothing: unread, it would hide that one leaves.

    Source: RFC 9110, 9.3.1.
    """
    await read_body(request.http, request.caller.runtime.settings.max_body_bytes)


async def _read_json(request: Request, max_bytes: int) -> Json | Response:
    try:
        body = await read_body(request, max_bytes)
    except MalformedError as error:
        return JSONResponse(error_message(None, PARSE_ERROR, str(error)), 400)
    if not await _is_there(request):
        # It knows nothing of its request and may have made it again, elsewhere, long ago.
        return Response(status_code=400)
    try:
        return await off_loop(len(body), lambda: parse_json(body))
    except MalformedError as error:
        return JSONResponse(unreadable(body, error), 400)


def _one_message(body: Json | Response) -> Message | Response:
    if isinstance(body, Response):
        return body
    if not is_message(body):
        sentence = "the body must be one JSON-RPC message; params, if it has any, an object"
        return JSONResponse(not_a_message(body, sentence), 400)
    assert isinstance(body, dict)
    return body


def _batch(request: Request, body: Json | Response) -> list[Message]:
    """Read a batch of JSON-RPC, which the 2026 wire does not have; empty when it is none."""
    is_modern = request.headers.get("mcp-protocol-version") in MODERN_PROTOCOL_VERSIONS
    return [] if is_modern or isinstance(body, Response) else batch_in(body)


def _is_modern(request: Request, message: Message) -> bool:
    """Report the era by the version header, and by the envelope that only the 2026 wire has.

    Where the two differ, the 2026 wire says so.
    """
    version = request.headers.get("mcp-protocol-version")
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, Mapping) else None
    told = meta.get(PROTOCOL_VERSION_META_KEY) if isinstance(meta, Mapping) else None
    if told not in (None, version):
        return True
    return version is not None and version not in HANDSHAKE_PROTOCOL_VERSIONS


OPEN_WITHIN_S = 4.0
NO_ANSWERS = "this protocol version asks its clients nothing, so it takes no answers of theirs"
COMMENT: Message = {}
FRAMES_MAX = 64
"""How many notifications wait for a client at most; the exchange waits with those beyond."""

END_WITHIN_S = LAST_WAIT_S + 1.0
"""How soon each stream ends by itself when the process drains: no client could resume it."""


class StreamChannel(NullChannel):
    """Carries an exchange's notifications on its own response stream.

    Nobody can be asked: this protocol has no requests from server to client.
    """

    def __init__(self) -> None:
        self._frames: asyncio.Queue[Message | None] = asyncio.Queue(FRAMES_MAX)
        self._is_over = False
        self.has_begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @override
    async def send(self, message: Message) -> None:
        """Put a notification on the stream; waits while its client does not read."""
        await self._put(message)

    async def comment(self) -> None:
        """Put a comment on the stream, which says nothing."""
        await self._put(COMMENT)

    def end(self) -> None:
        """Report that nothing follows."""
        self._is_over = True
        if self._frames.empty():
            self._frames.put_nowait(None)

    async def next(self) -> Message | None:
        """Take the next notification off the line, or None at its end."""
        if self._is_over and self._frames.empty():
            return None
        return await self._frames.get()

    def close(self) -> None:
        """Take no more notifications, and let go who waits to send one."""
        self._is_over = True
        while not self._frames.empty():
            self._frames.get_nowait()

    async def _put(self, frame: Message) -> None:
        if self._is_over:
            return
        if not self.has_begun.done():
            self.has_begun.set_result(None)
        await self._frames.put(frame)


async def serve_2026(request: McpRequest, message: Message) -> ASGIApp:
    """Answer one message of the 2026 wire."""
    if "id" not in message:
        return _acknowledge(request.http)
    if "method" not in message:
        return _reject(InboundLadderRejection(INVALID_REQUEST, NO_ANSWERS), None)
    headers = request.http.headers.items()
    refusal = _refuse(request, message, headers)
    if refusal is not None:
        return _reject(refusal, message["id"])
    route = classify_inbound_request(message, headers=dict(headers))
    if isinstance(route, InboundLadderRejection):
        return _reject(route, message["id"])
    return await _run(request, message, route)


async def _run(request: McpRequest, message: Message, route: InboundModernRoute) -> ASGIApp:
    due_at = _now() + min(OPEN_WITHIN_S, request.caller.runtime.settings.keepalive_s)
    line = StreamChannel()
    serving = asyncio.create_task(_serve(request, message, route, line))
    either: set[asyncio.Future[Any]] = {serving, line.has_begun}
    try:
        await asyncio.wait(either, timeout=OPEN_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        serving.cancel()
        line.close()
        raise
    if serving.done() and not line.has_begun.done():
        answered = serving.result()
        reply = _json(answered.message)
        http_ack = request.hand_over(answered.ack)
        return AckedAnswer(reply, http_ack) if http_ack else reply
    frames = _frames(request, line, serving, due_at)
    token = request.caller.token
    return EventStream(frames, request.state.streams, ends_within_s=END_WITHIN_S, token=token)


async def _serve(
    request: McpRequest, message: Message, route: InboundModernRoute, line: StreamChannel
) -> Answer:
    headers = request.http.headers
    exchange = Exchange(
        message,
        line,
        TransportContext(kind="streamable-http", can_send_request=False, headers=headers),
        message_metadata=ServerMessageMetadata(request_context=request.http),
    )
    connection = Connection.from_envelope(
        route.protocol_version, route.client_info, route.client_capabilities
    )
    try:
        return await answer(request.endpoint.mcp, exchange, connection, _waiting(request, line))
    finally:
        line.end()


def _waiting(request: McpRequest, line: StreamChannel) -> Caller:
    """Return the caller, which waits on its own stream and cannot go on at another process."""
    is_there = partial(_is_there, request.http)
    return replace(
        request.caller,
        is_there=is_there,
        presence=request.connection.presence(is_there, line.comment),
        leaving=request.state.streams.draining,
    )


async def _is_there(request: Request) -> bool:
    """Report whether the client has not left: its connection knows at once, ASGI a turn later."""
    connection = connection_of(request.scope)
    return connection.is_open() if connection else not await request.is_disconnected()


async def _frames(
    request: McpRequest,
    line: StreamChannel,
    serving: "asyncio.Future[Answer]",
    due_at: float,
) -> AsyncGenerator[bytes, None]:
    """Yield the frames of an exchange, with comments beside them, the first at `due_at`."""
    waiting = asyncio.create_task(line.next())
    http_ack: HttpAck | None = None
    try:
        while True:
            await asyncio.wait({waiting}, timeout=max(due_at - _now(), 0))
            if _now() >= due_at:
                due_at = _now() + request.caller.runtime.settings.keepalive_s
                yield KEEPALIVE
            if not waiting.done():
                continue
            frame = waiting.result()
            if frame is None:
                answered = serving.result()
                http_ack = request.hand_over(answered.ack)
                yield Last(event(encode(answered.message).decode()))
                if http_ack:
                    http_ack.is_written()
                return
            yield event(encode(frame).decode()) if frame else KEEPALIVE
            waiting = asyncio.create_task(line.next())
    finally:
        waiting.cancel()
        serving.cancel()
        line.close()
        with contextlib.suppress(asyncio.CancelledError):
            unwritten = await serving
            http_ack = http_ack or request.hand_over(unwritten.ack)
        if http_ack:
            http_ack.settle_unless_written()


def _refuse(
    request: McpRequest, message: Message, headers: list[tuple[str, str]]
) -> InboundLadderRejection | None:
    """Find what the SDK's ladder cannot see: doubled headers, parameters repeated as headers."""
    doubled = find_duplicated_routing_header(headers)
    if doubled is not None:
        return InboundLadderRejection(HEADER_MISMATCH, f"{doubled} header appears more than once")
    params = message.get("params")
    if message["method"] != "tools/call" or not isinstance(params, dict):
        return None
    schema = request.endpoint.header_schema(str(params.get("name")), request.caller.scope)
    arguments = params.get("arguments") or {}
    if schema is None or not isinstance(arguments, dict):
        return None
    return validate_mcp_param_headers(schema, arguments, request.http.headers)


def _acknowledge(request: Request) -> Response:
    rejection = unsupported_protocol_version_rejection(
        request.headers.get("mcp-protocol-version", "")
    )
    return _reject(rejection, None) if rejection else Response(status_code=202)


def _reject(rejection: InboundLadderRejection, request_id: str | int | None) -> Response:
    return _json(error_message(request_id, rejection.code, rejection.message, rejection.data))


def _json(message: Message) -> Response:
    code = message.get("error", {}).get("code")
    return JSONResponse(message, ERROR_CODE_HTTP_STATUS.get(code, 200))


def _now() -> float:
    return asyncio.get_running_loop().time()

"""The wire of 2026-07-28: a request has its own stream and its answer, and nothing is kept between.

On purpose:

1. Leaving the stream ends the waiting, not a call that was sent to n8n; that one runs on, and its
   result stays with the call.
2. The stream opens within OPEN_WITHIN_S, with a comment, so that no proxy sees a silent start.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import partial

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
from mcp_types.jsonrpc import HEADER_MISMATCH, INVALID_REQUEST
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp
from typing_extensions import override

from bridge.mcp.exchange import Answer, Exchange, NullChannel, answer, encode, error_message
from bridge.mcp.http_acks import AckedAnswer, HttpAck, is_there
from bridge.mcp.requests import McpRequest
from bridge.mcp.tools import LAST_WAIT_S, Caller
from bridge.mcp.wires.event_stream import EventStream, Last, Source, event, keepalive
from bridge.models import Message

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
        self._opens: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    @override
    async def send(self, message: Message) -> None:
        """Put a notification on the stream; waits while its client does not read."""
        await self._put(message)

    async def comment(self) -> None:
        """Put a comment on the stream, which says nothing."""
        await self._put(COMMENT)

    async def opens(self, within_s: float) -> bool:
        """Report whether a stream is wanted: where something is sent, or nothing ends in time."""
        timer = asyncio.get_running_loop().call_later(within_s, self._open)
        try:
            return await self._opens
        finally:
            timer.cancel()

    def end(self) -> None:
        """Report that nothing follows."""
        self._is_over = True
        self._open(is_wanted=False)
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
        self._open()
        await self._frames.put(frame)

    def _open(self, *, is_wanted: bool = True) -> None:
        if not self._opens.done():
            self._opens.set_result(is_wanted)


async def serve(request: McpRequest, message: Message) -> ASGIApp:
    """Answer one message."""
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
    try:
        is_stream = await line.opens(OPEN_WITHIN_S)
    except asyncio.CancelledError:
        serving.cancel()
        line.close()
        raise
    if not is_stream:
        answered = serving.result()
        if answered.frames:
            return _stream(request, _frames_first(answered))
        reply = _json(answered.message)
        http_ack = request.hand_over(answered.ack)
        return AckedAnswer(reply, http_ack) if http_ack else reply
    return _stream(request, _frames(request, line, serving, due_at))


def _stream(request: McpRequest, source: Source) -> EventStream:
    streams, token = request.state.streams, request.token
    return EventStream(source, streams, ends_within_s=END_WITHIN_S, token=token)


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
    there = partial(is_there, request.http)
    return replace(
        request.caller,
        is_there=there,
        presence=lambda: request.connection.presence(there, line.comment),
        leaving=request.state.streams.draining,
    )


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
                yield keepalive()
            if not waiting.done():
                continue
            frame = waiting.result()
            if frame is None:
                http_ack = request.hand_over(serving.result().ack)
                async with contextlib.aclosing(_frames_first(serving.result())) as chunks:
                    async for chunk in chunks:
                        yield chunk
                if http_ack:
                    http_ack.is_written()
                return
            yield _chunk(frame)
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


def _chunk(frame: Message | None) -> bytes:
    return event(encode(frame).decode()) if frame else keepalive()


async def _frames_first(answered: Answer) -> AsyncGenerator[bytes, None]:
    """Yield the frames that go out before an answer, if any, and then the answer."""
    if answered.frames:
        async with contextlib.aclosing(answered.frames) as frames:
            async for frame in frames:
                yield _chunk(frame)
    yield Last(_chunk(answered.message))


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

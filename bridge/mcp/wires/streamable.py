"""Streamable HTTP on one address: each request goes to the wire of its era."""

from collections.abc import Awaitable, Callable, Mapping

from mcp_types import PROTOCOL_VERSION_META_KEY
from mcp_types.jsonrpc import INVALID_REQUEST, PARSE_ERROR, UNSUPPORTED_PROTOCOL_VERSION
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from bridge.errors import MalformedError
from bridge.formats.json_text import off_loop, parse_json
from bridge.mcp.exchange import (
    EVENTS,
    JSON,
    accepts,
    batch_in,
    error_message,
    is_message,
    not_a_message,
    unreadable,
)
from bridge.mcp.http_acks import is_there
from bridge.mcp.requests import McpRequest, authenticate
from bridge.mcp.wires import streamable_2025, streamable_2026
from bridge.models import Json, Message
from bridge.net.request_body import read_body

Serve = Callable[[McpRequest, Message], Awaitable[ASGIApp]]


async def post(request: Request) -> ASGIApp:
    """Serve a POST of any era."""
    return await _post(request, streamable_2026.serve)


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
    if not await is_there(request):
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

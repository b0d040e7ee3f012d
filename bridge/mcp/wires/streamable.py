"""Streamable HTTP on one address: reads the body, and hands it to the wire of its era."""

from collections.abc import Mapping

from mcp_types import PROTOCOL_VERSION_META_KEY
from mcp_types.jsonrpc import INVALID_REQUEST, PARSE_ERROR
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from bridge.errors import MalformedError
from bridge.mcp.entry import enter
from bridge.mcp.exchange import Message, error_message
from bridge.mcp.wires import handshake, modern
from bridge.payloads import parse_json
from bridge.web.hooks import read_body


async def post(request: Request) -> ASGIApp:
    """Serve a POST of any era."""
    door, caller = enter(request)
    if not _accepts_both(request):
        return JSONResponse(
            error_message(
                None, INVALID_REQUEST, "Accept must name application/json and text/event-stream"
            ),
            406,
        )
    message = await read_message(request, caller.runtime.settings.max_body_bytes)
    if isinstance(message, Response):
        return message
    serve = modern.serve if _is_modern(request, message) else handshake.serve
    return await serve(request, message, door, caller)


async def get(request: Request) -> ASGIApp:
    """Serve the standing stream of the 2025 wires."""
    _, caller = enter(request)
    return await handshake.listen(request, caller)


async def delete(request: Request) -> ASGIApp:
    """End a session of the 2025 wires."""
    _, caller = enter(request)
    return await handshake.end(request, caller)


async def read_message(request: Request, max_bytes: int) -> Message | Response:
    """Read one JSON-RPC message, or give the refusal."""
    try:
        message = parse_json(await read_body(request, max_bytes))
    except MalformedError as error:
        return JSONResponse(error_message(None, PARSE_ERROR, str(error)), 400)
    if not _is_message(message):
        return JSONResponse(
            error_message(None, INVALID_REQUEST, "the body must be one JSON-RPC message"), 400
        )
    assert isinstance(message, dict)
    return message


def _is_message(message: object) -> bool:
    if not isinstance(message, Mapping) or message.get("jsonrpc") != "2.0":
        return False
    request_id = message.get("id", "")
    has_good_id = isinstance(request_id, str | int) and not isinstance(request_id, bool)
    if "method" in message:
        return isinstance(message["method"], str) and has_good_id
    return "id" in message and ("result" in message or "error" in message)


def _is_modern(request: Request, message: Message) -> bool:
    """Tell the era by the version header, else by the envelope that only the 2026 wire has."""
    version = request.headers.get("mcp-protocol-version")
    if version is not None:
        return version not in HANDSHAKE_PROTOCOL_VERSIONS
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, Mapping) else None
    return isinstance(meta, Mapping) and PROTOCOL_VERSION_META_KEY in meta


def _accepts_both(request: Request) -> bool:
    accept = request.headers.get("accept", "*/*").lower()
    if "*/*" in accept:
        return True
    return all(kind in accept for kind in ("application/json", "text/event-stream"))

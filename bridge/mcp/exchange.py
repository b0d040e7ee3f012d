"""JSON-RPC: what a message is, and one request served once, whatever wire it came on."""

import asyncio
import contextlib
import functools
import json
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import anyio
from mcp.server.connection import Connection
from mcp.server.lowlevel import Server as McpServer
from mcp.server.runner import ServerRunner, modern_error_data
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import MCPError, NoBackChannelError
from mcp.shared.jsonrpc_dispatcher import progress_token_from_params
from mcp.shared.message import MessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types import PROTOCOL_VERSION_META_KEY, ErrorData
from mcp_types.jsonrpc import INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR, REQUEST_TIMEOUT
from starlette.requests import Request

from bridge.errors import MalformedError, NumberError, TransientError
from bridge.formats.json_text import encode as encode_json
from bridge.mcp.tools import Caller, Frames
from bridge.models import Json, Message
from bridge.verbs.acks import NOTHING, AckState

logger = logging.getLogger(__name__)

ASK_S = 300.0
"""How long a client's answer to a request of ours is waited for, where nobody says otherwise."""


class Channel(Protocol):
    """Where the frames of one exchange go before its answer."""

    @property
    def can_ask(self) -> bool:
        """Report whether requests from server to client have a way back."""

    async def send(self, message: Message) -> None:
        """Bring one notification on its way."""

    async def ask(
        self, method: str, params: Mapping[str, Any] | None, timeout_s: float | None = None
    ) -> Message:
        """Ask the client and wait for its answer; None leaves the patience to the channel."""


class NullChannel:
    """The channel of an exchange whose wire has room for nothing but the answer."""

    can_ask = False

    async def send(self, message: Message) -> None:
        """Drop it."""

    async def ask(
        self, method: str, _params: Mapping[str, Any] | None, _timeout_s: float | None = None
    ) -> Message:
        """Refuse.

        Raises:
            NoBackChannelError: always.
        """
        raise NoBackChannelError(method)


def client_request(method: str, params: Mapping[str, Any] | None) -> Message:
    """Return a request to the client, whose id is unlike any that a client chooses."""
    request_id = "bridge-" + secrets.token_urlsafe(9)
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": dict(params or {})}


def not_answered(method: str) -> MCPError:
    """Return the error of a request to the client that brought no answer in time."""
    return MCPError(REQUEST_TIMEOUT, f"{method} was not answered in time")


class ChannelOutbound:
    """The SDK's view of a channel as a way out (its `Outbound`)."""

    line: Channel

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> Message:
        """Ask the client and give its result.

        Raises:
            MCPError: the client answered with an error, or not in time.
        """
        answer = await self.line.ask(method, params, (opts or {}).get("timeout"))
        if "error" in answer:
            raise MCPError.from_error_data(ErrorData.model_validate(answer["error"]))
        result: Message = answer.get("result") or {}
        return result

    async def notify(
        self, method: str, params: Mapping[str, Any] | None, _opts: CallOptions | None = None
    ) -> None:
        """Send a notification."""
        message: Message = {"jsonrpc": "2.0", "method": method}
        if params is not None:
            message["params"] = dict(params)
        await self.line.send(message)


@dataclass
class SessionOutbound(ChannelOutbound):
    """The way out for what belongs to no request."""

    line: Channel


@dataclass
class Exchange(ChannelOutbound):
    """The SDK's view of one request (its `DispatchContext`), over any wire."""

    request: Message
    line: Channel
    transport: TransportContext
    cancel_requested: anyio.Event = field(default_factory=anyio.Event)
    message_metadata: MessageMetadata = None

    @property
    def can_send_request(self) -> bool:
        """Report whether the client can be asked while this request is served."""
        return self.line.can_ask

    @property
    def request_id(self) -> str | int:
        """Return the JSON-RPC id of the request."""
        request_id: str | int = self.request["id"]
        return request_id

    async def progress(
        self, progress: float, total: float | None = None, message: str | None = None
    ) -> None:
        """Report progress, when the client gave a token for it."""
        token = progress_token_from_params(self.request.get("params"))
        if token is None:
            return
        params = {"progressToken": token, "progress": progress, "total": total, "message": message}
        await self.notify(
            "notifications/progress", {k: v for k, v in params.items() if v is not None}
        )


@dataclass(frozen=True)
class Answer:
    """What goes back for a request, the ack of what it hands over, and what goes out before."""

    message: Message
    ack: str = NOTHING
    frames: Frames | None = None


async def answer(
    mcp_server: McpServer[Caller], exchange: Exchange, connection: Connection, caller: Caller
) -> Answer:
    """Serve a request and return its JSON-RPC answer, error or result.

    What a handler had handed over is lost where this is cancelled, or the result has no wire form.

    Source: mcp 2.3 `serve_one`, without the end of the connection's exit stack, on which nothing
    here puts anything; error mapping as its own entries do it.
    """
    request, acks = exchange.request, [NOTHING]
    first: list[Frames] = []
    info = connection.client_params.client_info if connection.client_params else None
    try:
        served = replace(
            caller,
            notify=exchange.notify,
            client=info.name if info else "",
            hand_over=acks.append,
            send_first=first.append,
        )
        runner = ServerRunner(mcp_server, connection, served)
        result = await runner.on_request(exchange, request["method"], request.get("params"))
    except asyncio.CancelledError:
        await asyncio.shield(lose(caller, acks[-1]))
        raise
    except Exception as error:  # noqa: BLE001  the edge of the SDK: whatever it raises has a wire form
        await lose(caller, acks[-1])
        data = modern_error_data(error)
        return Answer(error_message(exchange.request_id, data.code, data.message, data.data))
    message: Message = {"jsonrpc": "2.0", "id": exchange.request_id, "result": result}
    return Answer(message, acks[-1], _before(message, first.pop()) if first else None)


async def _before(message: Message, frames: Frames) -> Frames:
    """Yield what goes out before an answer; if that fails, the answer says so in place of its own.

    Its client would wait for one that never comes, or see a stream that breaks for no reason.
    """
    try:
        async with contextlib.aclosing(frames):
            async for frame in frames:
                yield frame
    except Exception as error:
        logger.exception("exchange.broken")
        data = modern_error_data(error)
        failed = error_message(message["id"], data.code, data.message, data.data)
        message.clear()
        message.update(failed)


async def lose(caller: Caller, ack: str) -> None:
    """Act on an answer that was surely not received."""
    if ack != NOTHING:
        with contextlib.suppress(TransientError):  # a process that dies without a word loses it too
            await caller.runtime.acks.settle(ack, AckState.LOST)


def error_message(
    request_id: str | int | None, code: int, message: str, data: Any = None
) -> Message:
    """Format a JSON-RPC error answer."""
    error: Message = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    return {"jsonrpc": "2.0", "id": request_id, "error": error}


def encode(message: Message) -> bytes:
    """Format a message on one line."""
    return encode_json(message, compact=True)


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


JSON, EVENTS = "application/json", "text/event-stream"


def accepts(request: Request, *kinds: str) -> bool:
    """Report whether a client takes all of these kinds; one that says nothing takes any."""
    return _names(request.headers.get("accept", "*/*"), kinds)


@functools.lru_cache(maxsize=32)
def _names(accept: str, kinds: tuple[str, ...]) -> bool:
    ranges = {media.partition(";")[0].strip() for media in accept.lower().split(",")}
    return all({kind, kind.partition("/")[0] + "/*", "*/*"} & ranges for kind in kinds)

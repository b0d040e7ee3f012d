"""One MCP request, served once, whatever wire it came on."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio
from mcp.server.connection import Connection
from mcp.server.lowlevel import Server as McpServer
from mcp.server.runner import modern_error_data, serve_one
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import MCPError, NoBackChannelError
from mcp.shared.jsonrpc_dispatcher import progress_token_from_params
from mcp.shared.message import MessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types import ErrorData

from bridge.auth.authentication import EVERYTHING, Scope
from bridge.configuration.servers import Server
from bridge.errors import NotFoundError, TransientError
from bridge.formats.json_text import encode as encode_json
from bridge.models import Call, CallId, Message, Principal, new_call_id
from bridge.runtime import Runtime
from bridge.verbs.acks import NOTHING, of_call

logger = logging.getLogger(__name__)


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
        """Ask the client and wait for its answer; None leaves the patience to the line."""


class NullChannel:
    """The line of an exchange whose wire has room for nothing but the answer."""

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


class ResourceSubscriptions(Protocol):
    """Where it is noted which inboxes a session wants to hear of."""

    async def hear(self, hook: str) -> None:
        """Hear of a hook's inbox from now on."""

    async def hear_no_more(self, hook: str) -> None:
        """Hear no more of it."""


async def _drop(_method: str, _params: Mapping[str, Any] | None) -> None:
    """Notify nobody."""


async def _always() -> bool:
    return True


@dataclass
class Caller:
    """What a handler may know of its request: who asks, on which server, and how to tell them.

    `server` is the view that `scope` allows. `token` is what let the caller in, where that can be
    revoked: its digest, and the server. `call_id` is the id of the call that this request may
    start, known before it is served, so that a request served again starts nothing twice. `client`
    is the name that the client gives itself, empty for none. `receipt` names what the answer hands
    over. `hearing` takes its session's subscriptions, where its wire has sessions. `traceparent` is
    the one of its HTTP request. `is_there` tells whether anyone would get an answer now, and
    `presence_changes` names the wake for when that may have changed, where there is one; `probe`
    finds out where the connection does not tell, and takes a moment. Once
    `leaving` is set, the answer is wanted soon: the process drains, and this request cannot go on
    elsewhere.
    """

    runtime: Runtime
    server: Server
    principal: Principal
    scope: Scope = EVERYTHING
    token: tuple[str, str] = ("", "")
    call_id: CallId = field(default_factory=new_call_id)
    hearing: ResourceSubscriptions | None = None
    client: str = ""
    traceparent: str = ""
    receipt: str = NOTHING
    notify: Callable[[str, Mapping[str, Any] | None], Awaitable[None]] = _drop
    is_there: Callable[[], Awaitable[bool]] = _always
    presence_changes: str = ""
    probe: Callable[[], Awaitable[bool]] | None = None
    leaving: asyncio.Event = field(default_factory=asyncio.Event)

    async def demand_event(self, event_id: str) -> None:
        """Answer for an event outside the caller's scope as for one that is not there.

        Raises:
            NotFoundError: its hook is outside the scope.
        """
        if self.scope.hooks is not None:
            event = await self.runtime.events.find(self.server.name, event_id)
            if not self.scope.covers_hook(event.hook):
                raise NotFoundError("no such event")

    async def call(self, call_id: CallId, wait_s: float = 0) -> Call:
        """Read a call of the caller's within the scope, as `Calls.wait` does."""
        return await self.runtime.calls.wait(call_id, self.principal, wait_s, self.scope)

    def hands_over(self, call: Call, *, attached: bool = False) -> None:
        """Record that the answer holds the end of a call, or of an earlier one that it joined."""
        if call.status.is_final:
            self.receipt = of_call(call.call_id, attached=attached)

    async def fetches(self, call: Call) -> None:
        """Record that the end of a call goes to whoever named it, and could name it again."""
        self.hands_over(call)
        if await self.is_there():
            with contextlib.suppress(TransientError):  # without it the answer's receipt decides
                await self.runtime.calls.handed_over(call)


class ChannelOutbound:
    """The SDK's view of a line as a way out (its `Outbound`)."""

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


async def answer(
    mcp_server: McpServer[Caller], exchange: Exchange, connection: Connection, caller: Caller
) -> Message:
    """Serve a request and give its JSON-RPC answer, error or result.

    Source: mcp 2.3 `serve_one`; error mapping as its own entries do it.
    """
    request = exchange.request
    caller.notify = exchange.notify
    caller.client = connection.client_params.client_info.name if connection.client_params else ""
    try:
        result = await serve_one(
            mcp_server,
            exchange,
            request["method"],
            request.get("params"),
            connection=connection,
            lifespan_state=caller,
        )
    except Exception as error:  # noqa: BLE001  the edge of the SDK: whatever it raises has a wire form
        data = modern_error_data(error)
        return error_message(exchange.request_id, data.code, data.message, data.data)
    return {"jsonrpc": "2.0", "id": exchange.request_id, "result": result}


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

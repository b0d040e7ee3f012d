"""One MCP request, served once, whatever wire it came on."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar

import anyio
from mcp.server.connection import Connection
from mcp.server.context import HandlerResult, ServerRequestContext
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
from bridge.runtime import McpRuntime
from bridge.verbs.acks import NOTHING, AckState, ack_of
from bridge.verbs.takers import Presence

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


_PRESENT = Presence(_always)


def _keep(_ack: str) -> None:
    """Hand nothing over."""


@dataclass(frozen=True)
class Caller:
    """What a handler may know of its request: who asks, on which server, and how to tell them.

    `server` is the view that `scope` allows. `token` is what let the caller in, where that can be
    revoked: its digest, and the server. `call_id` is the id of the call that this request may
    start, known before it is served, so that a request served again starts nothing twice. `client`
    is the name that the client gives itself, empty for none. `traceparent` is the one of its HTTP
    request. `hearing` takes its session's subscriptions, where its wire has sessions. `is_there`
    tells whether anyone would get an answer now; `presence` does so for a caller that waits for an
    event, and may take a moment to find out. Once `leaving` is set, the answer is wanted soon: the
    process drains, and this request cannot go on elsewhere. `hand_over` is for `handed_over` alone.
    """

    runtime: McpRuntime
    server: Server
    principal: Principal
    scope: Scope = EVERYTHING
    token: tuple[str, str] = ("", "")
    call_id: CallId = field(default_factory=new_call_id)
    client: str = ""
    traceparent: str = ""
    hearing: ResourceSubscriptions | None = None
    notify: Callable[[str, Mapping[str, Any] | None], Awaitable[None]] = _drop
    is_there: Callable[[], Awaitable[bool]] = _always
    presence: Presence = _PRESENT
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    hand_over: Callable[[str], None] = _keep

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

    async def fetch(self, call: Call) -> str:
        """Record that the end of a call goes to a caller who named it; return the answer's ack."""
        if await self.is_there():
            with contextlib.suppress(TransientError):  # without it the answer's ack decides
                await self.runtime.calls.handed_over(call)
        return ack_of(call)


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


@dataclass(frozen=True)
class Answer:
    """What goes back for a request, and the ack of what it hands over."""

    message: Message
    ack: str = NOTHING


ResultT_co = TypeVar("ResultT_co", bound=HandlerResult, covariant=True)


@dataclass(frozen=True)
class ToolOutcome(Generic[ResultT_co]):
    """What a handler returns: its result, and the ack of what the result hands over."""

    result: ResultT_co
    ack: str = NOTHING


def handed_over(
    context: ServerRequestContext[Caller], outcome: ToolOutcome[ResultT_co]
) -> ResultT_co:
    """Return a handler's result as the SDK takes it, and hand over the ack beside it."""
    context.lifespan_context.hand_over(outcome.ack)
    return outcome.result


async def answer(
    mcp_server: McpServer[Caller], exchange: Exchange, connection: Connection, caller: Caller
) -> Answer:
    """Serve a request and return its JSON-RPC answer, error or result.

    What a handler had handed over is lost where this is cancelled, or the result has no wire form.

    Source: mcp 2.3 `serve_one`; error mapping as its own entries do it.
    """
    request, acks = exchange.request, [NOTHING]
    info = connection.client_params.client_info if connection.client_params else None
    try:
        result = await serve_one(
            mcp_server,
            exchange,
            request["method"],
            request.get("params"),
            connection=connection,
            lifespan_state=replace(
                caller,
                notify=exchange.notify,
                client=info.name if info else "",
                hand_over=acks.append,
            ),
        )
    except asyncio.CancelledError:
        await asyncio.shield(lose(caller, acks[-1]))
        raise
    except Exception as error:  # noqa: BLE001  the edge of the SDK: whatever it raises has a wire form
        await lose(caller, acks[-1])
        data = modern_error_data(error)
        return Answer(error_message(exchange.request_id, data.code, data.message, data.data))
    message: Message = {"jsonrpc": "2.0", "id": exchange.request_id, "result": result}
    return Answer(message, acks[-1])


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

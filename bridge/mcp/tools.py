"""What a tool is, who calls it, what it returns, and how a drain ends its waiting."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar

import mcp_types as types
from mcp.server.context import HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import x_mcp_header_map

from bridge.auth.authentication import EVERYTHING, Scope
from bridge.configuration.servers import Server
from bridge.errors import BridgeError, NotFoundError, RejectedError, TransientError
from bridge.formats.json_text import spell
from bridge.models import Call, CallId, Message, Principal, new_call_id, origin_of
from bridge.runtime import McpRuntime
from bridge.store.signals import Signal
from bridge.verbs.acks import NOTHING, ack_of
from bridge.verbs.takers import Presence


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


def _present() -> Presence:
    return Presence(_always)


def _keep(_ack: str) -> None:
    """Hand nothing over."""


Frames = AsyncGenerator[Message | None, None]
"""Notifications as they come, and None where it is time for a sign of life."""


def _send_nothing(_frames: Frames) -> None:
    """Send no frames."""


@dataclass(frozen=True, slots=True)
class Caller:
    """What a handler may know of its request: who asks, on which server, and how to tell them.

    `server` is the view that `scope` allows. `token` is what let the caller in, where that can be
    revoked: its digest, and the server. `call_id` is the id of the call that this request may
    start, known before it is served, so that a request served again starts nothing twice. `client`
    is the name that the client gives itself, empty for none. `traceparent` is the one of its HTTP
    request. `hearing` takes its session's subscriptions, where its wire has sessions. `is_there`
    tells whether anyone would get an answer now; `presence` returns what does so for a caller that
    waits for an event, and may take a moment to find out. Once `leaving` is set, the answer is
    wanted soon: the process drains, and this request cannot go on elsewhere. `hand_over` is for
    `handed_over` alone. `send_first` has frames sent before the result that its handler returns
    meanwhile: a stream that lasts for hours then holds nothing of what handled its request.
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
    presence: Callable[[], Presence] = _present
    leaving: asyncio.Event | None = None
    hand_over: Callable[[str], None] = _keep
    send_first: Callable[[Frames], None] = _send_nothing

    def apart(self) -> "Caller":
        """Return the same caller without what lasts as long as its request."""
        return Caller(
            *(self.runtime, self.server, self.principal, self.scope),
            call_id=self.call_id,
            client=self.client,
        )

    def current(self) -> "Caller":
        """Return the same caller of the server as it is now; it may have been replaced."""
        server = self.runtime.servers.get(self.server.name)
        return replace(self, server=self.scope.view(server)) if server else self

    async def demand_event(self, event_id: str) -> None:
        """Answer for an event outside the caller's scope as for one that is not there.

        Raises:
            NotFoundError: its hook is outside the scope.
        """
        if self.scope.hooks is not None:
            event = await self.runtime.events.find(self.server.name, event_id)
            if not self.scope.covers_hook(event.hook):
                raise NotFoundError("no such event")

    async def call(self, call_id: CallId, wait_s: float = 0, changed: Signal | None = None) -> Call:
        """Read a call of the caller's within the scope, as `Calls.wait` does."""
        calls = self.runtime.calls
        return await calls.wait(call_id, self.principal, wait_s, self.scope, changed)

    async def fetch(self, call: Call) -> str:
        """Record that the end of a call goes to a caller who named it; return the answer's ack."""
        if await self.is_there():
            with contextlib.suppress(TransientError):  # without it the answer's ack decides
                await self.runtime.calls.handed_over(call)
        return ack_of(call)


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


Context = ServerRequestContext[Caller]
TOOL_USE_META_KEY = "claudecode/toolUseId"
Arguments = dict[str, Any]
Schema = dict[str, Any]
Told = ToolOutcome[types.CallToolResult]
Run = Callable[[Context, Arguments], Awaitable[Told]]

LIMIT: Schema = {"type": "integer", "minimum": 1, "maximum": 100, "description": "Default: 20."}
CURSOR: Schema = {"type": "string", "description": "The last page's next_cursor."}
OFFSET: Schema = {"type": "integer", "minimum": 0}
WAIT_SECONDS: Schema = {"type": "number", "minimum": 0, "maximum": 300}
RESPONSE_FORMAT: Schema = {"enum": ["concise", "detailed"]}
IF_CHANGED_FROM: Schema = {"type": "string", "description": "A digest that you were told."}

ADDED_BY_CLIENTS = ("sessionId", "tool", "toolCallId")
"""Arguments that n8n's older MCP Client Tools add of their own (n8n #21500, #22787)."""

READ_STRUCTURE = frozenset({"claude-code"})
"""Clients, as they name themselves, that give Claude the structure of a result, not its text."""

SEE_STRUCTURE = "See structuredContent."

SHOWN_WHOLE_CHARS = 500_000
"""The most that Claude Code takes as it is; the bridge cuts long ones itself, far below that."""


@dataclass(frozen=True)
class Meta:
    """What clients shall know of a tool beyond MCP itself: keys that are all optional.

    `is_long` says that results may exceed what it shows without being told to; a tool that it shall
    `always_load` is not left to its search, which finds the others by their `search_hint` too: so
    far Claude Code's own. `app` is the address of a page that hosts show beside results.
    """

    always_load: bool = False
    is_long: bool = False
    search_hint: str = ""
    app: str = ""

    def describe(self) -> dict[str, Any] | None:
        """Return the keys that stand in the list."""
        keys: dict[str, Any] = {}
        if self.always_load:
            keys["anthropic/alwaysLoad"] = True
        if self.is_long:
            keys["anthropic/maxResultSizeChars"] = SHOWN_WHOLE_CHARS
        if self.search_hint:
            keys["anthropic/searchHint"] = self.search_hint
        if self.app:
            keys["ui"] = {"resourceUri": self.app}
        return keys or None


@dataclass(frozen=True)
class Tool:
    """One tool: what Claude reads of it, and the verb behind it."""

    name: str
    title: str
    description: str
    input: Schema
    annotations: types.ToolAnnotations
    run: Run
    output: Schema | None = None
    meta: Meta = Meta()

    @functools.cached_property
    def has_param_headers(self) -> bool:
        """Report whether a client repeats some of its arguments as headers."""
        return bool(x_mcp_header_map(self.input))

    def describe(self) -> types.Tool:
        """Return the tool as it stands in the list."""
        return types.Tool(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=self.input,
            output_schema=self.output,
            annotations=self.annotations,
            _meta=self.meta.describe(),
        )


def hints(
    *,
    read_only: bool,
    destructive: bool = False,
    idempotent: bool = False,
    open_world: bool = False,
) -> types.ToolAnnotations:
    """Return a tool's annotations with every hint said outright.

    What changes nothing may be repeated: MCP reads `idempotentHint` only of tools that do more.
    """
    return types.ToolAnnotations(
        read_only_hint=read_only,
        destructive_hint=destructive,
        idempotent_hint=None if read_only else idempotent,
        open_world_hint=open_world,
    )


def arguments(required: str = "", **properties: Schema) -> Schema:
    """Return the input schema of an object with these properties and no others."""
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        schema["required"] = required.split()
    return schema


def is_detailed(given: Arguments) -> bool:
    """Report whether all that is known is wanted; what is wanted of a tool mostly is less."""
    return given.get("response_format") == "detailed"


def held_by(given: Arguments) -> str | None:
    """Return the digest of what the caller holds already."""
    return given.get("if_changed_from")


def without_blanks(schema: Schema, given: Arguments) -> Arguments:
    """Return arguments without those that are empty and optional: n8n's nodes send both for none.

    For the bridge's own tools only, few of which mean anything by an empty text. One whose schema
    sets a least length stays: it is refused, or with a length of 0 is what it is.
    """
    properties: Schema = schema.get("properties", {})
    kept = {name for name, of in properties.items() if "minLength" in of}
    kept.update(schema.get("required", ()))
    return {name: value for name, value in given.items() if value != "" or name in kept}


def whole(given: Arguments, name: str, default: int) -> int:
    """Read an argument that its schema holds to be an integer: 5 may be spelled 5.0.

    Source: JSON Schema 2020-12 Core, 6.3.
    """
    return int(given.get(name, default))


def seconds(given: Arguments, name: str, default: float = 0) -> float:
    """Read an argument that its schema holds to be a number: one may have more digits than a float.

    Clocks and Redis know floats only.
    """
    return float(given.get(name, default))


def success(structured: dict[str, Any]) -> types.CallToolResult:
    """Return a result as structure, and the same JSON as text for clients that read only that."""
    text = spell(structured)
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)], structured_content=structured
    )


def tell_once(told: types.CallToolResult, client: str) -> types.CallToolResult:
    """Leave the structure out of the text for clients that are known to show it to Claude."""
    if told.structured_content is None or client not in READ_STRUCTURE:
        return told
    pointer = types.TextContent(type="text", text=SEE_STRUCTURE)
    return told.model_copy(update={"content": [pointer, *told.content[1:]]})


def failure(sentence: str) -> types.CallToolResult:
    """Report what went wrong, in a sentence that says how to mend it."""
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=sentence)], is_error=True
    )


T = TypeVar("T")

LAST_WAIT_S = 1.5
"""How long a call of a workflow is still waited for, so that short ones bring their result."""


async def unless_leaving(
    leaving: asyncio.Event | None, waiting: Coroutine[Any, Any, T]
) -> T | None:
    """Wait for something; give it up, and give None, once the process is `leaving`."""
    if leaving is None:
        return await waiting
    waited = asyncio.ensure_future(waiting)
    left = asyncio.ensure_future(leaving.wait())
    try:
        await asyncio.wait({waited, left}, return_when=asyncio.FIRST_COMPLETED)
        return waited.result() if waited.done() else None
    finally:
        left.cancel()
        waited.cancel()
        await asyncio.gather(left, waited, return_exceptions=True)


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Turn the bridge's own errors into the protocol's while the block lasts.

    Raises:
        MCPError: INVALID_PARAMS for what the client must mend, INTERNAL_ERROR for what will pass.
    """
    try:
        yield
    except RejectedError as error:
        raise MCPError(types.INVALID_PARAMS, str(error)) from error
    except BridgeError as error:
        sentence = f"{error}; try again in a few seconds"
        raise MCPError(types.INTERNAL_ERROR, sentence) from error


def tool_use_of(context: Context) -> str:
    """Return the client's own id of this use of a tool; empty where it gives none."""
    tool_use = (context.meta or {}).get(TOOL_USE_META_KEY)
    return tool_use if isinstance(tool_use, str) else ""


def origin(context: Context) -> str:
    """Return what a timeline keeps of this use of a tool."""
    return origin_of(tool_use_of(context), context.lifespan_context.client)

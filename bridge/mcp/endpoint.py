"""One server's MCP endpoint: who is let in, and what is served, on the SDK's low level."""

import asyncio
import contextlib
import functools
import time
from collections.abc import Iterator
from typing import Any

import mcp_types as types
from mcp.server.caching import CacheHint
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import NotificationOptions
from mcp.server.lowlevel import Server as McpServer
from mcp.server.models import InitializationOptions
from mcp.shared.exceptions import MCPError
from mcp_types.methods import CacheableMethod, validate_client_request
from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider
from typing_extensions import override

from bridge import __version__
from bridge.auth.authentication import EVERYTHING, Scope
from bridge.configuration.operators_server import OPERATORS
from bridge.configuration.servers import Server
from bridge.errors import BridgeError, RejectedError
from bridge.formats.json_text import show
from bridge.log import audit
from bridge.mcp.apps import EXTENSION as APPS_EXTENSION
from bridge.mcp.call_tools import CALL_TOOLS
from bridge.mcp.change_watch import digest
from bridge.mcp.event_feed import EventFeed, event_type
from bridge.mcp.inbox_tools import inbox_tools
from bridge.mcp.operator_acts import ACTING_TOOLS
from bridge.mcp.operator_tools import LOOKING_TOOLS
from bridge.mcp.prompts import complete, get_prompt, list_prompts, prompt_of
from bridge.mcp.resources import (
    inbox,
    list_resources,
    list_templates,
    read_resource,
)
from bridge.mcp.session_notifications import hear, hear_no_more
from bridge.mcp.subscriptions_listen import SubscriptionsListen
from bridge.mcp.tasks import add_tasks, create_task
from bridge.mcp.tools import (
    ADDED_BY_CLIENTS,
    Arguments,
    Caller,
    Tool,
    ToolOutcome,
    failure,
    handed_over,
    tell_once,
    without_blanks,
)
from bridge.mcp.workflow_tools import (
    ATTACHED_META_KEY,
    EVERY_S,
    FIRST_S,
    declares_tasks,
    start,
    workflow_tools,
)

STEADY = CacheHint(ttl_ms=60_000, scope="private")
PASSING = CacheHint(ttl_ms=0, scope="private")
CACHE_HINTS: dict[CacheableMethod, CacheHint] = {
    "server/discover": STEADY,
    "tools/list": STEADY,
    "prompts/list": STEADY,
    "resources/templates/list": STEADY,
    "resources/list": PASSING,
    "resources/read": PASSING,
}
"""For how long what a client has read may be taken as true: no event stays as it is."""

SCOPES_MAX = 100
"""How many scopes' tools are kept ready."""

SUBJECTS = ("event_id", "call_id", "bulk_id", "place")
"""What names the one thing that an act is done to, as it stands in arguments or results."""

Context = ServerRequestContext[Caller]


def tools_of(server: Server, scope: Scope = EVERYTHING) -> dict[str, Tool]:
    """Return a server's tools that are in a scope, by name: workflows, inbox, calls.

    Whoever has no hook has no inbox, and whoever has no workflow has no calls.
    """
    if server.name == OPERATORS:
        return {tool.name: tool for tool in (*LOOKING_TOOLS, *(ACTING_TOOLS if scope.acts else ()))}
    seen = scope.view(server)
    inbox = () if scope.hooks == frozenset() else inbox_tools(seen)
    calls = () if scope.workflows == frozenset() else CALL_TOOLS
    every = (*workflow_tools(seen), *inbox, *calls)
    return {tool.name: tool for tool in every if scope.acts or tool.annotations.read_only_hint}


class NotifyingServer(McpServer[Caller]):
    """The SDK's server, which tells a session when its tools, prompts or inboxes are others now.

    It makes no spans where no tracer takes them, and its name for answers once: both cost as much
    as a short request.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stamp = super().server_info_stamp
        if isinstance(get_tracer_provider(), ProxyTracerProvider):
            self.middleware.clear()

    @property
    @override
    def server_info_stamp(self) -> dict[str, Any]:
        return dict(self._stamp)

    @override
    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> InitializationOptions:
        told = NotificationOptions(tools_changed=True, prompts_changed=True, resources_changed=True)
        return super().create_initialization_options(notification_options or told, *args, **kwargs)


class McpEndpoint:
    """One server's MCP face; `mcp` is what the wires serve, `listening` its open subscriptions.

    The subscriptions are those of the endpoint whose place it is to take, if any.
    """

    def __init__(self, server: Server, listening: SubscriptionsListen | None = None) -> None:
        self.server = server
        self._tools_in = functools.lru_cache(SCOPES_MAX)(functools.partial(tools_of, server))
        self._listed_in = functools.lru_cache(SCOPES_MAX)(self._list)
        self._shaped: dict[tuple[Scope, str], HandlerResult] = {}
        self.lists = {
            "toolsListChanged": digest(self._list(EVERYTHING)),
            "promptsListChanged": digest(map(prompt_of, server.hooks.values())),
            "resourcesListChanged": digest(inbox(server, hook) for hook in server.hooks),
            "eventsListChanged": digest(map(event_type, server.hooks.values())),
        }
        self.listening = listening or SubscriptionsListen(self.lists)
        self.mcp: McpServer[Caller] = NotifyingServer(
            server.name,
            version=__version__,
            title=server.title,
            instructions=server.description,
            cache_hints=CACHE_HINTS,
            get_tool_input_schema=self.input_schema,
            on_list_tools=self.list_tools,
            on_list_resources=list_resources,
            on_list_resource_templates=list_templates,
            on_read_resource=read_resource,
            on_subscribe_resource=hear,
            on_unsubscribe_resource=hear_no_more,
            on_list_prompts=list_prompts,
            on_get_prompt=get_prompt,
            on_completion=complete,
            on_subscriptions_listen=self.listening,
        )
        self.mcp.middleware.append(self._shape_once)
        self.mcp.add_request_handler("tools/call", types.CallToolRequestParams, self.call_tool)
        add_tasks(self.mcp)
        self.mcp.extensions[APPS_EXTENSION] = {}
        EventFeed(self.listening).add_to(self.mcp)

    def input_schema(self, name: str, scope: Scope = EVERYTHING) -> dict[str, Any] | None:
        """Return a tool's input schema, or None for one that is unknown in this scope."""
        tool = self._tools_in(scope).get(name)
        return tool.input if tool else None

    def header_schema(self, name: str, scope: Scope) -> dict[str, Any] | None:
        """Return the input schema of a tool some of whose arguments clients repeat as headers."""
        tool = self._tools_in(scope).get(name)
        return tool.input if tool and tool.has_param_headers else None

    def _list(self, scope: Scope) -> list[types.Tool]:
        return [tool.describe() for tool in self._tools_in(scope).values()]

    async def _shape_once(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Answer a list of tools as it was shaped before, for the same scope and version.

        For twenty tools the SDK takes a third of the whole request to shape and check their list.
        What it checks of a request is checked each time.
        """
        if ctx.method != "tools/list":
            return await call_next(ctx)
        key = (ctx.lifespan_context.scope, ctx.protocol_version)
        if key in self._shaped:
            validate_client_request(ctx.method, ctx.protocol_version, ctx.params)
            types.PaginatedRequestParams.model_validate(ctx.params or {}, by_name=False)
            return self._shaped[key]
        shaped = await call_next(ctx)
        if len(self._shaped) < SCOPES_MAX:
            self._shaped[key] = shaped
        return shaped

    async def list_tools(
        self, context: Context, _params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        """List every tool that the caller may use, the same for everyone of the same scope."""
        return types.ListToolsResult(tools=self._listed_in(context.lifespan_context.scope))

    async def call_tool(
        self, context: Context, params: types.CallToolRequestParams
    ) -> HandlerResult:
        """Run a tool; what goes wrong with it is told as its result, in a sentence.

        Raises:
            MCPError: there is no such tool, or it is outside the caller's scope.
        """
        return handed_over(context, await self._call(context, params))

    async def _call(
        self, context: Context, params: types.CallToolRequestParams
    ) -> ToolOutcome[HandlerResult]:
        tool = self._tools_in(context.lifespan_context.scope).get(params.name)
        if tool is None:
            raise MCPError(types.INVALID_PARAMS, f"unknown tool: {show(params.name)}")
        began_at = time.perf_counter()
        given = params.arguments or {}
        if tool.name not in self.server.workflows:
            given = without_blanks(tool.input, given)
        outcome: ToolOutcome[HandlerResult]
        try:
            given = await context.lifespan_context.runtime.schemas.mended(
                tool.input, given, "the arguments break this tool's input schema", ADDED_BY_CLIENTS
            )
            outcome = await self._run(tool, context, given)
        except RejectedError as error:
            outcome = ToolOutcome(failure(str(error)))
        except BridgeError as error:
            outcome = ToolOutcome(failure(f"{error}; try again in a few seconds"))
        if tool.name in self.server.workflows or not tool.annotations.read_only_hint:
            took_s = time.perf_counter() - began_at
            self._record(tool, context, given, outcome.result, took_s)
        return outcome

    def _record(
        self, tool: Tool, context: Context, given: Arguments, told: HandlerResult, took_s: float
    ) -> None:
        """Put an act on record, by the id of the event or the call that it was done to."""
        caller = context.lifespan_context
        structured = getattr(told, "structured_content", None) or {}
        if tool.name in self.server.workflows:
            meta = told.get("_meta") if isinstance(told, dict) else getattr(told, "meta", None)
            which = (meta or {}).get(ATTACHED_META_KEY) or caller.call_id
        else:
            named = (given.get(name) or structured.get(name) for name in SUBJECTS)
            which = next(filter(None, named), None)
        outcome = "refused" if getattr(told, "is_error", False) else "done"
        if which:  # a take that found nothing was no act
            took_ms = round(took_s * 1000, 2)
            audit(str(caller.principal), tool.name, str(which), outcome, duration_ms=took_ms)

    async def _run(
        self, tool: Tool, context: Context, given: Arguments
    ) -> ToolOutcome[HandlerResult]:
        """Run a tool; a client that takes tasks gets one for a workflow instead of its result."""
        caller, workflow = context.lifespan_context, self.server.workflows.get(tool.name)
        if workflow is not None and declares_tasks(context):
            call = await start(workflow, context, given, promised=True)
            return ToolOutcome(create_task(call, caller.runtime.settings.result_ttl_s))
        with contextlib.nullcontext() if workflow else telling(context, tool.title):
            outcome = await tool.run(context, given)
        return ToolOutcome(tell_once(outcome.result, caller.client), outcome.ack)


@contextlib.contextmanager
def telling(context: Context, what: str) -> Iterator[None]:
    """Report every few seconds that something still waits, while the block lasts.

    Nothing is waited for at its end: a caller cancelled there would lose what the block has taken.
    """
    tellers: list[asyncio.Task[None]] = []

    def begin() -> None:
        tellers.append(asyncio.create_task(_tell(context, what)))
        tellers[0].add_done_callback(lambda told: told.cancelled() or told.exception())

    # Most blocks end sooner, and a timer costs less than a task.
    first = asyncio.get_running_loop().call_later(FIRST_S, begin)
    try:
        yield
    finally:
        first.cancel()
        for teller in tellers:
            teller.cancel()


async def _tell(context: Context, what: str) -> None:
    waited_s = FIRST_S
    while True:
        await context.session.report_progress(waited_s, message=f"{what}: {waited_s:.0f} s so far")
        await asyncio.sleep(EVERY_S)
        waited_s += EVERY_S

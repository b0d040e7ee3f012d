"""The test app's endpoint: the suite's fixtures behind the product's own wires."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import mcp_types as types
from mcp.server.caching import CacheHint
from mcp.server.context import HandlerResult
from mcp.server.lowlevel import Server as McpServer
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.shared.exceptions import MCPError
from typing_extensions import override

from bridge.auth.authentication import EVERYTHING, Scope
from bridge.configuration.servers import Server
from bridge.mcp.endpoint import McpEndpoint
from bridge.mcp.tasks import add_tasks
from bridge.mcp.tools import Caller
from tests.conformance.asking import SPEAKING_TOOLS, STRING, Context, Schema, say
from tests.conformance.contents import (
    PROMPT_CONTENTS,
    PROMPTS,
    RESOURCES,
    TEMPLATE,
    TOOL_CONTENTS,
    messages,
    read_resource,
)
from tests.conformance.input_required import (
    ONE_ROUND,
    Asked,
    answer_prompt,
    capabilities,
    multi_round,
)
from tests.conformance.tasks import Run, task_fixtures

NAME = "conformance"
NOTHING: Schema = {"type": "object"}
EVERY_KEYWORD: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": STRING, "city": STRING},
        }
    },
    "properties": {
        "name": STRING,
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": STRING,
        "email": STRING,
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
INPUTS: dict[str, Schema] = {
    "test_sampling": {"type": "object", "properties": {"prompt": STRING}, "required": ["prompt"]},
    "test_elicitation": {
        "type": "object",
        "properties": {"message": STRING},
        "required": ["message"],
    },
    "greet": {"type": "object", "properties": {"name": STRING}, "required": ["name"]},
    "test_x_mcp_header": {
        "type": "object",
        "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
    },
    "json_schema_2020_12_tool": EVERY_KEYWORD,
}

Speak = Callable[[Context, dict[str, Any]], Awaitable[types.CallToolResult]]


@dataclass(frozen=True)
class Fixture:
    """One fixture tool."""

    description: str
    run: Run


def gathered() -> dict[str, Fixture]:
    """Gather the tools that ask nothing of the endpoint, by name."""
    fixtures = {name: Fixture(f"Gives {name}.", _giving(name)) for name in TOOL_CONTENTS}
    for run in SPEAKING_TOOLS:
        fixtures[f"test_{run.__name__}"] = Fixture(str(run.__doc__), _speaking(run))
    for name, one_round in ONE_ROUND.items():
        fixtures[f"test_input_required_result_{name}"] = Fixture(one_round.description, one_round)
    for several in (multi_round, capabilities):
        name = f"test_input_required_result_{several.__name__}"
        fixtures[name] = Fixture(str(several.__doc__), several)
    return fixtures


def _giving(name: str) -> Run:
    async def give(_context: Context, _params: types.CallToolRequestParams) -> Asked:
        return types.CallToolResult(content=list(TOOL_CONTENTS[name]))

    return give


def _speaking(run: Speak) -> Run:
    async def speak(context: Context, params: types.CallToolRequestParams) -> Asked:
        return await run(context, params.arguments or {})

    return speak


class FixtureDoor(McpEndpoint):
    """The product's endpoint of a server, with the suite's fixtures and `more` in front of it."""

    def __init__(self, server: Server, *more: Speak) -> None:
        super().__init__(server)
        self._behind = McpEndpoint(server)
        self.listening = self._behind.listening
        self.tools = gathered() | {
            "test_trigger_tool_change": Fixture(
                "Says that the tools changed.", self._announcing("toolsListChanged")
            ),
            "test_trigger_prompt_change": Fixture(
                "Says that the prompts changed.", self._announcing("promptsListChanged")
            ),
            "greet": Fixture("Greets.", _speaking(_greet)),
            "json_schema_2020_12_tool": Fixture("Has a rich schema.", _speaking(_tell_nothing)),
            **{run.__name__: Fixture(str(run.__doc__), _speaking(run)) for run in more},
        }
        self._tasks = task_fixtures(self._behind)
        self.mcp: McpServer[Caller] = McpServer(
            NAME,
            version="1.0.0",
            cache_hints=dict.fromkeys(
                (
                    "server/discover",
                    "tools/list",
                    "prompts/list",
                    "resources/list",
                    "resources/templates/list",
                    "resources/read",
                ),
                CacheHint(ttl_ms=1000, scope="private"),
            ),
            get_tool_input_schema=self.input_schema,
            on_list_tools=self._list_tools,
            on_list_resources=_list_resources,
            on_list_resource_templates=_list_templates,
            on_read_resource=_read_resource,
            on_subscribe_resource=_take_note,
            on_unsubscribe_resource=_take_note,
            on_subscriptions_listen=self.listening,
            on_list_prompts=_list_prompts,
            on_get_prompt=_get_prompt,
            on_completion=_complete,
        )
        self.mcp.add_request_handler("tools/call", types.CallToolRequestParams, self._call_tool)
        add_tasks(self.mcp)
        self.mcp.add_request_handler("logging/setLevel", types.SetLevelRequestParams, _take_note)
        state = RequestStateSecurity.ephemeral()
        self.mcp.middleware.append(RequestStateBoundary(state, default_audience=NAME))

    @override
    def input_schema(self, name: str, scope: Scope = EVERYTHING) -> Schema | None:
        """Return a tool's input schema, or None for an unknown tool."""
        if name in self.tools:
            return INPUTS.get(name, NOTHING)
        return self._behind.input_schema(name, scope)

    @override
    def header_schema(self, name: str, scope: Scope) -> Schema | None:
        """Return a tool's input schema, or None for an unknown tool."""
        return self.input_schema(name, scope)

    async def _list_tools(
        self, context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        behind = await self._behind.list_tools(context, params)
        tools = [
            types.Tool(
                name=name,
                description=fixture.description,
                input_schema=INPUTS.get(name, NOTHING),
            )
            for name, fixture in self.tools.items()
        ]
        return types.ListToolsResult(tools=[*tools, *behind.tools])

    async def _call_tool(
        self, context: Context, params: types.CallToolRequestParams
    ) -> HandlerResult:
        if params.name in self.tools:
            return await self.tools[params.name].run(context, params)
        run = self._tasks.get(params.name, self._behind.call_tool)
        return await run(context, params)

    def _announcing(self, flag: str) -> Run:
        async def announce(_context: Context, _params: types.CallToolRequestParams) -> Asked:
            self.listening.has_changed(flag)
            return say("Said so.")

        return announce


async def _greet(_context: Context, given: dict[str, Any]) -> types.CallToolResult:
    return say(f"Hello, {given['name']}!")


async def _tell_nothing(_context: Context, _given: dict[str, Any]) -> types.CallToolResult:
    return say("Nothing to tell.")


async def _list_resources(
    _context: Context, _params: types.PaginatedRequestParams | None
) -> types.ListResourcesResult:
    return types.ListResourcesResult(resources=list(RESOURCES))


async def _list_templates(
    _context: Context, _params: types.PaginatedRequestParams | None
) -> types.ListResourceTemplatesResult:
    return types.ListResourceTemplatesResult(resource_templates=[TEMPLATE])


async def _read_resource(
    _context: Context, params: types.ReadResourceRequestParams
) -> types.ReadResourceResult:
    return types.ReadResourceResult(contents=[read_resource(str(params.uri))])


async def _take_note(_context: Context, _params: object) -> types.EmptyResult:
    return types.EmptyResult()


async def _list_prompts(
    _context: Context, _params: types.PaginatedRequestParams | None
) -> types.ListPromptsResult:
    return types.ListPromptsResult(prompts=list(PROMPTS))


async def _get_prompt(
    _context: Context, params: types.GetPromptRequestParams
) -> types.GetPromptResult | types.InputRequiredResult:
    give = PROMPT_CONTENTS.get(params.name)
    if give is not None:
        return messages(give(params.arguments or {}))
    if params.name == "test_input_required_result_prompt":
        return answer_prompt(params)
    raise MCPError(types.INVALID_PARAMS, f"unknown prompt: {params.name}")


async def _complete(
    _context: Context, _params: types.CompleteRequestParams
) -> types.CompleteResult:
    return types.CompleteResult(completion=types.Completion(values=[], total=0, has_more=False))

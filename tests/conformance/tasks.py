"""The suite's fixtures that become tasks: workflows as any other, run by a worker in an n8n."""

from collections.abc import Awaitable, Callable

import mcp_types as types
from mcp.server.context import HandlerResult
from pydantic import SecretStr

from bridge.configuration.credentials import BearerAuth
from bridge.configuration.servers import Hook, Server, Workflow
from bridge.mcp.endpoint import McpEndpoint
from bridge.mcp.tasks import demand_tasks
from tests.conformance.asking import STRING, Context, Schema
from tests.conformance.input_required import NAME as USER_NAME
from tests.conformance.input_required import entered
from tests.conformance.two_questions import PATH

Run = Callable[[Context, types.CallToolRequestParams], Awaitable[HandlerResult]]

CONFIRM, HOOK_TOKEN = "confirm", "the-token-of-the-hook"
CONFIRMATION: Schema = {
    "type": "object",
    "properties": {"confirm": {"type": "boolean"}},
    "required": ["confirm"],
}

UNKNOWN_TO_WORKERS = "protocol_error_job"
"""What the workers' files do not name: its calls fail by a fault of the bridge, not of n8n."""


def fixture_server(name: str, n8n_url: str, twice_url: str) -> Server:
    """Return the fixtures' server, its workflows in a stand-in n8n and in `two_questions`."""
    slow, failing = f"{n8n_url}/webhook/slow-tool", f"{n8n_url}/webhook/failing-tool"
    asking = f"{n8n_url}/webhook/tool-that-asks"
    nothing = {"type": "object"}
    slowly = {"type": "object", "properties": {"seconds": {"type": "number"}, "label": STRING}}
    workflows = {
        "slow_compute": Workflow(url=slow, description="Takes its time.", input=slowly),
        "failing_job": Workflow(url=failing, description="Fails in n8n.", input=nothing),
        UNKNOWN_TO_WORKERS: Workflow(url=slow, description="Fails in the bridge.", input=nothing),
        "confirm_delete": Workflow(url=asking, description="Asks in the middle.", input=nothing),
        "multi_input": Workflow(
            url=f"{twice_url}{PATH}", description="Asks two things at once.", input=nothing
        ),
        "test_tool_with_task": Workflow(url=slow, description="Asks, then works.", input=slowly),
    }
    hook = Hook(auth=(BearerAuth(token=SecretStr(HOOK_TOKEN)),), reply=CONFIRMATION)
    return Server(name=name, hooks={CONFIRM: hook}, workflows=workflows)


def as_workers_know_it(server: Server) -> Server:
    """Return the same server as it stands in the workers' files."""
    known = {name: it for name, it in server.workflows.items() if name != UNKNOWN_TO_WORKERS}
    return server.model_copy(update={"workflows": known})


def task_fixtures(endpoint: McpEndpoint) -> dict[str, Run]:
    """Return the tools that do something before the product's own endpoint runs their workflow."""

    async def failing_job(context: Context, params: types.CallToolRequestParams) -> HandlerResult:
        demand_tasks(context)
        return await endpoint.call_tool(context, params)

    async def test_tool_with_task(
        context: Context, params: types.CallToolRequestParams
    ) -> HandlerResult:
        answer = (params.input_responses or {}).get("user_name")
        if answer is None:
            return types.InputRequiredResult(input_requests={"user_name": USER_NAME})
        arguments = {"seconds": 0, "label": entered(answer, "name")}
        return await endpoint.call_tool(context, params.model_copy(update={"arguments": arguments}))

    async def asking(context: Context, params: types.CallToolRequestParams) -> HandlerResult:
        question = f"Delete {(params.arguments or {}).get('filename')}?"
        assert context.request is not None
        arguments = {
            "question": question,
            "hook": f"{context.lifespan_context.server.name}/{CONFIRM}",
            "port": context.request.url.port,
            "token": HOOK_TOKEN,
        }
        return await endpoint.call_tool(context, params.model_copy(update={"arguments": arguments}))

    run = {run.__name__: run for run in (failing_job, test_tool_with_task)}
    return run | {"confirm_delete": asking, "multi_input": asking}

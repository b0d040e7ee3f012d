"""The workflows that server files describe, played without n8n: each answers with an example."""

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

from bridge.configuration.server_files import read_server_files
from bridge.configuration.servers import Workflow
from bridge.configuration.settings import servers_dir_of
from bridge.models import Json
from bridge.schemas.compile import faults_in_value
from bridge.schemas.examples import example_of
from bridge.standin.executions import WorkflowFailedError
from bridge.standin.runs import Run
from bridge.standin.workflows import Flow, execution_id_at_once, started_at_once

CALLBACK = "bridge-callback-url"


def flow_at(path: str, environ: Mapping[str, str]) -> Flow | None:
    """Find the workflow with this webhook path in the server files, as they are now."""
    for server in read_server_files(servers_dir_of(environ), environ).servers.values():
        for workflow in server.webhooks:
            if urlsplit(workflow.url).path.partition("/webhook/")[2].strip("/") == path:
                return described_flow(workflow)
    return None


def described_flow(workflow: Workflow, answer: Json = None) -> Flow:
    """Make a workflow that answers in the way, and by the schema, that a server file says.

    With an answer it is that one.
    """

    async def play(run: Run) -> Json:
        result = _example(workflow, run) if answer is None else answer
        if workflow.result == "callback":
            address = run.item.headers.get(CALLBACK, "")
            if workflow.progress:
                await run.send("Progress", address, {"progress": 0.5, "message": "half way"})
            await run.send("Result", address, {"result": result})
        return result

    return _flow(workflow, play)


def failing_flow(workflow: Workflow, message: str) -> Flow:
    """Make a workflow that fails; one with a callback says so there, as its error branch would."""

    async def play(run: Run) -> Json:
        if workflow.result == "callback":
            await run.send("Failure", run.item.headers.get(CALLBACK, ""), {"failure": message})
        raise WorkflowFailedError(message, "Stop")

    return _flow(workflow, play)


def _flow(workflow: Workflow, play: Callable[[Run], Awaitable[Json]]) -> Flow:
    at_once = {
        "response": None,
        "execution": execution_id_at_once,
        "callback": started_at_once,
    }[workflow.result]
    return Flow(f"described{workflow.name}", play, at_once, workflow.method)


def _example(workflow: Workflow, run: Run) -> Json:
    """Return an answer that `output` allows, with the mark of the stand-in if it allows that too.

    Without `output` it says what came.
    """
    if workflow.output is None:
        received = run.item.body or dict[str, Json](run.item.query)
        return run.outside.marked({"received": received})
    example: Json = example_of(workflow.output)
    if not isinstance(example, dict):
        return example
    marked = run.outside.marked(example)
    return example if faults_in_value(workflow.output, marked) else marked

"""The webhook door: starts a workflow and answers as its response mode says."""

import asyncio
import json

from starlette.requests import Request
from starlette.responses import Response

from bridge.models import Json
from bridge.standin import answers
from bridge.standin.executions import Item, WorkflowFailedError
from bridge.standin.protocol import BrokenOffError
from bridge.standin.runs import Run
from bridge.standin.seen import Seen
from bridge.standin.standin import Standin
from bridge.standin.workflows import FLOWS, Flow

MAX_BODY_BYTES = 16 * 1024 * 1024


async def webhook(standin: Standin, request: Request, seen: Seen) -> Response:
    """Run the workflow that a request's path names.

    Raises:
        RefusalError: there is none, or the request cannot be read.
        BrokenOffError: the run was broken off.
    """
    flow = await _flow(standin, request)
    run = await start(standin, request, flow.workflow_id)
    seen.execution = run.execution.execution_id
    playing = standin.go_on(run.execution, played(run, flow))
    if flow.at_once is not None:
        return flow.at_once(run.execution)
    await asyncio.wait({playing})
    if playing.cancelled():
        raise BrokenOffError
    try:
        output = playing.result()
    except WorkflowFailedError:
        return answers.error_in_workflow()
    return answers.answered_text(output) if isinstance(output, str) else answers.answered(output)


async def start(standin: Standin, request: Request, workflow_id: str) -> Run:
    """Open an execution with the request as its first item."""
    item = await item_of(request)
    base_url = str(request.base_url).rstrip("/")
    run = Run(standin.executions.start(workflow_id), item, base_url, standin.outside)
    run.ran("Webhook", {"body": item.body, "headers": dict(item.headers)})
    return run


async def played(run: Run, flow: Flow) -> Json:
    """Play a workflow to its end."""
    with run.execution.running():
        output = await flow.play(run)
        run.ran("Result", output)
        return output


async def item_of(request: Request) -> Item:
    """Read a request as a Webhook or Wait node gives it out.

    Raises:
        RefusalError: the body is too long, or is no JSON where it says so.
    """
    raw = await request.body()
    if len(raw) > MAX_BODY_BYTES:
        raise answers.RefusalError(answers.problem_executing())
    body: Json = {}
    if raw.strip() and "json" in request.headers.get("content-type", ""):
        try:
            body = json.loads(raw)
        except json.JSONDecodeError as error:
            raise answers.RefusalError(answers.unparsed(error)) from error
    return Item(body, dict(request.headers), dict(request.query_params))


async def _flow(standin: Standin, request: Request) -> Flow:
    path = request.path_params["path"].strip("/")
    flow = FLOWS.get(path) or await asyncio.to_thread(standin.further, path)
    if flow is None:
        raise answers.RefusalError(answers.not_registered(request.method, path))
    if request.method != flow.method:
        raise answers.RefusalError(answers.other_method(request.method, flow.method))
    return flow

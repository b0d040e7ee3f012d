"""The resume door: takes a reply to the execution that waits for it."""

import asyncio
import hmac
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response

from bridge.standin import answers
from bridge.standin.executions import Execution, Wait
from bridge.standin.seen import Seen
from bridge.standin.standin import Standin
from bridge.standin.webhooks import item_of

# n8n loads the execution before it takes a resume: of two that meet in between, one gets a 500.
LOADING_S = 0.01


async def waiting(standin: Standin, request: Request, seen: Seen) -> Response:
    """Resume the execution that a request's path names.

    Raises:
        RefusalError: it does not exist, does not wait for this call, or has gone on.
    """
    execution = _execution(standin, request)
    seen.execution = execution.execution_id
    wait = _wait(execution, request)
    item = await item_of(request)
    await asyncio.sleep(LOADING_S)
    return answers.started() if execution.resume(wait, item) else answers.problem_executing()


def _execution(standin: Standin, request: Request) -> Execution:
    execution_id = request.path_params["execution_id"]
    execution = standin.executions.find(execution_id)
    if execution is None:
        raise answers.RefusalError(answers.no_execution(execution_id))
    if not hmac.compare_digest(_signature(request)[0].encode(), execution.signature.encode()):
        raise answers.RefusalError(answers.invalid_token())
    return execution


def _wait(execution: Execution, request: Request) -> Wait:
    refuse = {
        "running": answers.running_already,
        "success": answers.finished_already,
        "error": answers.finished_with_error,
    }.get(execution.status)
    if refuse:
        raise answers.RefusalError(refuse(execution.execution_id))
    suffix = request.path_params.get("suffix") or _signature(request)[1]
    wait = execution.wait
    if wait is None or (wait.method, wait.suffix) != (request.method, suffix.strip("/")):
        raise answers.RefusalError(answers.no_wait(execution.execution_id))
    return wait


def _signature(request: Request) -> tuple[str, str]:
    """Split the signature from a suffix set behind it, a form that n8n takes."""
    query = parse_qs(request.scope["query_string"].decode("latin-1"))
    token, _, suffix = query.get("signature", [""])[0].partition("/")
    return token, suffix

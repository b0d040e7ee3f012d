"""What the answers of n8n's executions API mean: a table read as those of `answers`.

Of an execution only the items that its last node gave out are taken, or its error's sentence and
node. All else stays behind: among it is the token that resumes the execution, which is also taken
out of what is handed on.
"""

from collections.abc import Callable

from bridge.formats.json_text import DEPTH_MAX, is_deeper, spell
from bridge.models import Json
from bridge.n8n.answers import JsonBody, N8nAnswer
from bridge.n8n.outcomes import (
    AskAgain,
    Dropped,
    ExecutionOutcome,
    Failed,
    StillRunning,
    Succeeded,
    Unknown,
)
from bridge.n8n.scrub import scrub, scrub_text
from bridge.n8n.webhook_answers import DATABASE_NOT_READY, STARTING_UP, gives


def at(value: Json, *path: str | int) -> Json:
    """Walk into a JSON value; None where the path leads nowhere."""
    for step in path:
        match value, step:
            case dict(), str():
                value = value.get(step)
            case list(), int() if -len(value) <= step < len(value):
                value = value[step]
            case _:
                return None
    return value


def execution_of(answer: N8nAnswer) -> Json:
    """Return the execution that an answer describes; None if it describes none."""
    match answer.body:
        case JsonBody({"status": str()} as execution) if answer.is_success:
            return execution
    return None


def succeeded(answer: N8nAnswer) -> ExecutionOutcome:
    """Take the last node's item, or the list of its items where it gave out several."""
    execution = execution_of(answer)
    found = [at(item, "json") for item in _last_items(execution)]
    if not found:
        return Succeeded(None, empty=True)
    value = scrub(found[0] if len(found) == 1 else found, _secrets(execution))
    return Succeeded(spell(value) if is_deeper(value, DEPTH_MAX) else value)


def failed(answer: N8nAnswer) -> ExecutionOutcome:
    """Take the error's sentence, and the name of the node that it came up in."""
    execution = execution_of(answer)
    error = at(execution, "data", "resultData", "error")
    node, cause = at(error, "node", "name"), at(error, "message")
    where = f' at the node "{node}"' if isinstance(node, str) else ""
    if not isinstance(cause, str):
        where += ", which has kept no cause"
    reason = scrub_text(f"the workflow failed in n8n{where}", _secrets(execution))
    return Failed(reason, scrub_text(cause, _secrets(execution)) if isinstance(cause, str) else "")


def _last_items(execution: Json) -> list[Json]:
    """Return the items of the first output that has any, of the last node's last run."""
    result = at(execution, "data", "resultData")
    match at(result, "lastNodeExecuted"):
        case str(node):
            outputs = at(result, "runData", node, -1, "data", "main")
        case _:
            outputs = None
    for output in outputs if isinstance(outputs, list) else ():
        if isinstance(output, list) and output:
            return output
    return []


def _secrets(execution: Json) -> tuple[str, ...]:
    token = at(execution, "data", "resumeToken")
    return (token,) if isinstance(token, str) else ()


def says(*statuses: str) -> Callable[[N8nAnswer], bool]:
    """Return a check whether an answer describes an execution of one of these statuses."""
    return lambda n8n: at(execution_of(n8n), "status") in statuses


EXECUTION: tuple[
    tuple[Callable[[N8nAnswer], bool], Callable[[N8nAnswer], ExecutionOutcome]], ...
] = (
    (says("new", "running"), lambda _: StillRunning()),
    (says("waiting"), lambda _: StillRunning(is_parked=True)),
    (says("success"), succeeded),
    (says("error"), failed),
    (
        says("crashed"),
        gives(
            Dropped,
            "n8n itself stopped while the workflow ran and dropped the execution; the nodes before "
            "that have run",
        ),
    ),
    (says("canceled"), lambda _: Failed("the execution was cancelled in n8n")),
    (
        lambda n8n: execution_of(n8n) is not None,
        gives(Unknown, "n8n itself does not know how the execution went"),
    ),
    (
        lambda n8n: n8n.is_success and n8n.message == STARTING_UP,
        gives(AskAgain, "n8n is starting up"),
    ),
    (
        lambda n8n: n8n.is_success and n8n.untenable is not None,
        lambda n8n: Unknown(f"the workflow ran, but its result cannot be told: {n8n.untenable}"),
    ),
    (
        lambda n8n: n8n.is_success and n8n.flaw is not None,
        gives(AskAgain, "n8n's answer to the question how the execution goes was cut off"),
    ),
    (
        lambda n8n: n8n.status == 204,
        gives(Unknown, "n8n tells nothing to what it takes for a bot (204)"),
    ),
    (
        lambda n8n: n8n.status == 401,
        gives(Unknown, "n8n does not know the key in BRIDGE_N8N_API_KEY (401)"),
    ),
    (
        lambda n8n: n8n.status == 403,
        gives(Unknown, "the key in BRIDGE_N8N_API_KEY may not read executions (403)"),
    ),
    (
        lambda n8n: n8n.status == 404 and n8n.is_json,
        gives(
            Unknown,
            "n8n has no such execution (404): it was deleted, or the workflow's settings do not "
            "save executions that succeed",
        ),
    ),
    (
        lambda n8n: n8n.status == 404,
        gives(AskAgain, "n8n has no API yet (404 with a page): it is starting"),
    ),
    (
        lambda n8n: n8n.status == 503 and n8n.message == DATABASE_NOT_READY,
        gives(AskAgain, "n8n's database is not ready"),
    ),
    (
        lambda n8n: n8n.status in (408, 429) or n8n.status >= 500,
        gives(AskAgain, "n8n answered {status} to the question how the execution goes"),
    ),
    (
        lambda n8n: n8n.is_success,
        gives(Unknown, "what answered ({status}) is not n8n's API: is BRIDGE_N8N_URL right?"),
    ),
    (
        lambda n8n: n8n.status // 100 == 3,
        gives(Unknown, "a redirect answered ({status}), and the bridge follows none"),
    ),
    (
        lambda _: True,
        gives(Unknown, "n8n refused to tell how the execution went ({status})"),
    ),
)


def read_execution_answer(status: int, content_type: str, body: bytes) -> ExecutionOutcome:
    """Report what the answer to `GET /api/v1/executions/{id}?includeData=true` means."""
    answer = N8nAnswer(status, content_type, body, depth_max=None)
    return next(then(answer) for when, then in EXECUTION if when(answer))

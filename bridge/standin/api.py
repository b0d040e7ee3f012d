"""n8n's public API, as far as the bridge reads it: one execution."""

from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from bridge.models import Json
from bridge.standin import answers
from bridge.standin.executions import Execution
from bridge.standin.standin import Standin


async def execution(standin: Standin, request: Request) -> Response:
    """Report how an execution stands; with `includeData=true` also what its nodes gave."""
    if "bot" in request.headers.get("user-agent", "").lower():
        return Response(status_code=204)
    key = request.headers.get("x-n8n-api-key", "")
    if not key or standin.api_key not in (None, key):
        return answers.answered({"message": "Unauthorized"}, 401)
    execution_id = request.path_params["execution_id"]
    if not execution_id.isdecimal():
        message = "request/params/executionId must be a positive integer"
        return answers.answered({"message": message}, 400)
    found = standin.executions.find(execution_id)
    if found is None:
        return answers.answered({"message": "Not Found"}, 404)
    wants_data = request.query_params.get("includeData") == "true"
    return answers.answered(_summary(found) | ({"data": _data(found)} if wants_data else {}))


def _summary(run: Execution) -> dict[str, Json]:
    return {
        "id": run.execution_id,
        "finished": run.status == "success",
        "mode": "webhook",
        "retryOf": None,
        "retrySuccessId": None,
        "status": run.status,
        "createdAt": _time(run.started_at),
        "startedAt": _time(run.started_at),
        "stoppedAt": _time(run.stopped_at) if run.stopped_at else None,
        "deletedAt": None,
        "workflowId": run.workflow_id,
        "waitTill": None,
    }


def _data(run: Execution) -> dict[str, Json]:
    """Return what n8n keeps; while a run is under way that is nothing yet."""
    result: dict[str, Json] = {"runData": {}}
    if run.status != "running":
        nodes: dict[str, Json] = {name: [_ran(output)] for name, output in run.nodes}
        last = run.nodes[-1][0] if run.nodes else None
        if run.failure is not None:
            last = run.failure.node
            error = {"name": "NodeOperationError", "message": str(run.failure)}
            told: dict[str, Json] = {**error, "node": {"name": last}}
            nodes[last] = [{"executionStatus": "error", "error": told}]
            result["error"] = told
        result |= {"runData": nodes, "lastNodeExecuted": last}
    return {"version": 1, "resultData": result, "resumeToken": run.signature}


def _ran(output: Json) -> Json:
    items: Json = [[{"json": output, "pairedItem": {"item": 0}}]]
    return {"executionStatus": "success", "data": {"main": items}}


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""n8n's public API, as far as the bridge reads it: one execution, and the workflows."""

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from bridge.models import Json
from bridge.standin import answers
from bridge.standin.executions import Execution
from bridge.standin.standin import Standin

PAGE, PAGE_MAX = 100, 250


async def execution(standin: Standin, request: Request) -> Response:
    """Report how an execution stands; with `includeData=true` also what its nodes gave."""
    if refusal := _refusal(standin, request):
        return refusal
    execution_id = request.path_params["execution_id"]
    if not execution_id.isdecimal():
        message = "request/params/executionId must be a positive integer"
        return answers.answered({"message": message}, 400)
    found = standin.executions.find(execution_id)
    if found is None:
        return answers.answered({"message": "Not Found"}, 404)
    wants_data = request.query_params.get("includeData") == "true"
    return answers.answered(_summary(found) | ({"data": _data(found)} if wants_data else {}))


async def workflows(standin: Standin, request: Request) -> Response:
    """List the workflows, or the published ones, by pages; each without its description."""
    if refusal := _refusal(standin, request):
        return refusal
    asked = request.query_params
    try:
        start = json.loads(base64.b64decode(asked["cursor"]))["offset"] if "cursor" in asked else 0
    except ValueError:
        return answers.answered({"message": "An invalid cursor was provided"}, 400)
    limit = min(int(asked.get("limit", PAGE)), PAGE_MAX)
    wants_all = asked.get("active") != "true"
    records = [record for record in _records(standin) if wants_all or record["active"]]
    page: list[Json] = [_without(each, "description") for each in records[start : start + limit]]
    more = json.dumps({"limit": limit, "offset": start + limit}).encode()
    cursor = base64.b64encode(more).decode() if start + limit < len(records) else None
    return answers.answered({"data": page, "nextCursor": cursor})


async def workflow(standin: Standin, request: Request) -> Response:
    """Show one workflow."""
    if refusal := _refusal(standin, request):
        return refusal
    asked = request.path_params["workflow_id"]
    found = next((record for record in _records(standin) if record["id"] == asked), None)
    if found is None:
        return answers.answered({"message": "Not Found"}, 404)
    return answers.answered(found)


def _refusal(standin: Standin, request: Request) -> Response | None:
    if "bot" in request.headers.get("user-agent", "").lower():
        return Response(status_code=204)
    key = request.headers.get("x-n8n-api-key", "")
    if not key or standin.api_key not in (None, key):
        return answers.answered({"message": "Unauthorized"}, 401)
    return None


def _records(standin: Standin) -> Iterator[dict[str, Json]]:
    for number, given in enumerate(standin.published):
        version = f"00000000-0000-4000-8000-{number:012d}"
        record = _record(given, f"published{number:07d}", version)
        active: Json = {
            "versionId": version,
            "workflowId": record["id"],
            "nodes": given.get("nodes"),
            "connections": given.get("connections"),
            "name": None,
            "description": None,
        }
        yield record | {"active": True, "activeVersionId": version, "activeVersion": active}
    for number, given in enumerate(standin.drafts):
        record = _record(given, f"draft{number:011d}", f"00000000-0000-4000-9000-{number:012d}")
        yield record | {"active": False, "activeVersionId": None, "activeVersion": None}


def _record(given: Mapping[str, Json], workflow_id: str, version: str) -> dict[str, Json]:
    is_there = ("name", "nodes", "connections", "settings")
    record: dict[str, Json] = {name: given.get(name) for name in is_there}
    return record | {
        "id": workflow_id,
        "versionId": version,
        "isArchived": given.get("isArchived", False),
        "description": given.get("description"),
        "pinData": given.get("pinData"),
        "tags": given.get("tags", []),
    }


def _without(record: Mapping[str, Json], name: str) -> dict[str, Json]:
    return {key: value for key, value in record.items() if key != name}


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

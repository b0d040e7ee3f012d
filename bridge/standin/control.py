"""The way tests look into the stand-in and order trouble; no n8n has it.

`GET /standin/requests?path=` lists what was seen, `POST /standin/executions` parks an execution,
`GET /standin/executions/{id}` tells how it stands, `POST /standin/faults` orders a fault,
`POST /standin/reset` forgets everything.
"""

import asyncio

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response

from bridge.models import Json
from bridge.standin import answers
from bridge.standin.executions import WorkflowFailedError
from bridge.standin.faults import InjectedFault
from bridge.standin.runs import Run
from bridge.standin.standin import Standin
from bridge.standin.webhooks import played, start
from bridge.standin.workflows import Flow


class Parking(BaseModel):
    """An execution to park: `suffixes` are its Wait nodes in turn, an empty one is none."""

    model_config = ConfigDict(extra="forbid")

    suffixes: list[str] = ["reply"]
    method: str = "POST"
    limit_s: float | None = None
    parks_after_s: float = 0
    runs_on_s: float = 0
    fails: bool = False


async def requests(standin: Standin, request: Request) -> Response:
    """List the requests seen, of one path if asked."""
    listed: list[Json] = [*standin.seen.listed(request.query_params.get("path"))]
    return answers.answered(listed)


async def park(standin: Standin, request: Request) -> Response:
    """Start an execution that parks; `replyUrl` is its `resumeUrl` with the first suffix."""
    parking = Parking.model_validate_json(await request.body() or b"{}")
    run = await start(standin, request, "parked")

    async def play(run: Run) -> Json:
        return await _play(run, parking)

    standin.go_on(run.execution, played(run, Flow("parked", play)))
    # One turn of the loop brings the run to its first wait.
    await asyncio.sleep(0)
    suffix = f"/{parking.suffixes[0]}".rstrip("/")
    reply_url = run.resume_url.replace("?", f"{suffix}?")
    return answers.answered(
        {"id": run.execution.execution_id, "resumeUrl": run.resume_url, "replyUrl": reply_url}
    )


async def parked(standin: Standin, request: Request) -> Response:
    """Report how an execution stands and what resumed it last."""
    found = standin.executions.find(request.path_params["execution_id"])
    if found is None:
        return answers.no_execution(request.path_params["execution_id"])
    told: dict[str, Json] = {"id": found.execution_id, "status": found.status}
    return answers.answered(told | {"resumed_with": found.resumed_with})


async def order_fault(standin: Standin, request: Request) -> Response:
    """Order a fault."""
    standin.faults.add(InjectedFault.model_validate_json(await request.body()))
    return answers.answered({})


async def reset(standin: Standin, _request: Request) -> Response:
    """Forget everything."""
    standin.reset()
    return answers.answered({})


async def _play(run: Run, parking: Parking) -> Json:
    if parking.parks_after_s:
        await asyncio.sleep(parking.parks_after_s)
    item = None
    for suffix in parking.suffixes:
        item = await run.execution.park(suffix, parking.method, parking.limit_s)
    if parking.runs_on_s:
        await asyncio.sleep(parking.runs_on_s)
    if parking.fails:
        raise WorkflowFailedError("told to fail", "Stop")
    return item.body if item else None

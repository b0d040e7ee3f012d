"""/pauses: what operators have paused, and pausing and resuming it."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bridge.errors import Fault, InvalidError
from bridge.log import OPERATOR, audit
from bridge.models import Pause, instant
from bridge.verbs.pausing import Begun, Pausing
from bridge.web.events import operators_runtime
from bridge.web.middleware import state_of


def _demanded(request: Request) -> Pausing:
    """Return what pauses, for operators alone."""
    return operators_runtime(request).operators.pausing


def _place(request: Request) -> str:
    return "/".join(request.path_params.values())


def _described(pause: Pause) -> dict[str, object]:
    return {"place": pause.place, "since": instant(pause.at_ms), "by": pause.by}


async def list_pauses(request: Request) -> Response:
    """GET /pauses: what is paused."""
    pauses = await _demanded(request).listed()
    return JSONResponse({"pauses": [_described(each) for each in pauses]})


async def pause(request: Request) -> Response:
    """POST /pauses/{server}, /pauses/{server}/{part}: let nothing begin there."""
    pausing, place, servers = _demanded(request), _place(request), state_of(request).runtime.servers
    running = request.query_params.get("running", Begun.FINISH.value)
    if running not in tuple(Begun):
        allowed = ", ".join(Begun)
        raise InvalidError("no such choice", (Fault("/running", f"must be one of {allowed}"),))
    paused = await pausing.pause(place, OPERATOR, Begun(running), servers)
    audit(OPERATOR, "pause", place, "done")
    counts = {"released": paused.released, "cancelled": paused.cancelled, "go_on": paused.go_on}
    return JSONResponse(_described(paused.pause) | counts)


async def resume(request: Request) -> Response:
    """DELETE of the same: have it go on."""
    pausing, place = _demanded(request), _place(request)
    still = await pausing.resume(place, state_of(request).runtime.servers)
    audit(OPERATOR, "resume", place, "done")
    return JSONResponse({"place": place, "still_paused": [each.place for each in still]})

"""POST /callbacks/{call_id}: a running workflow tells its progress, its result or its failure."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bridge.errors import Fault, InvalidError, MalformedError
from bridge.formats.json_text import off_loop, parse_json
from bridge.log import audit
from bridge.models import CallStatus, Json
from bridge.net.request_body import read_body
from bridge.verbs.calls import Callbacks
from bridge.web.middleware import state_of

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "progress": {"type": "number", "minimum": 0, "maximum": 1},
        "message": {"type": "string", "maxLength": 1000},
        "result": {},
        "failure": {"type": "string", "minLength": 1, "maxLength": 10_000},
    },
    "additionalProperties": False,
}
ONE_OF = ("progress", "result", "failure")


async def receive_callback(request: Request) -> Response:
    """Act on one callback; an unknown call and a wrong token are answered alike."""
    runtime = state_of(request).runtime
    call_id, secret = request.path_params["call_id"], request.query_params.get("token", "")
    await runtime.callbacks.demand(call_id, secret)
    raw = await read_body(request, runtime.settings.max_body_bytes)
    said = await off_loop(len(raw), lambda: _parse(raw))
    if not runtime.schemas.allows(SCHEMA, said):  # it looks at no part of a result
        await runtime.schemas.check(SCHEMA, said, "this is no callback")
    assert isinstance(said, dict)
    named = [name for name in ONE_OF if name in said]
    if len(named) != 1 or ("message" in said and named != ["progress"]):
        fault = Fault("", "give exactly one of progress (with or without message), result, failure")
        raise InvalidError("this is no callback", (fault,))
    status = await _act(runtime.callbacks, call_id, secret, said)
    audit("n8n", f"callback {named[0]}", call_id, "done")
    return JSONResponse({"status": status})


def _parse(raw: bytes) -> Json:
    """Read a body; one that is no JSON is no callback either."""
    try:
        return parse_json(raw)
    except MalformedError as error:
        raise InvalidError("this is no callback", (Fault("", str(error)),)) from error


async def _act(callbacks: Callbacks, call_id: str, secret: str, said: dict[str, Any]) -> CallStatus:
    if "progress" in said:
        return await callbacks.report(
            call_id, secret, float(said["progress"]), said.get("message", "")
        )
    if "failure" in said:
        return await callbacks.fail(call_id, secret, said["failure"])
    return await callbacks.succeed(call_id, secret, said["result"])

"""What operators do over HTTP to one event or one call, beside redriving it."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bridge.formats.payloads import Content
from bridge.log import OPERATOR, audit
from bridge.verbs.running_again import read_arguments
from bridge.web.events import operators_runtime
from bridge.web.json_bodies import read_members


async def release_event(request: Request) -> Response:
    """POST /events/{event_id}/release: queue a leased event again."""
    runtime, event_id = operators_runtime(request), request.path_params["event_id"]
    status = await runtime.operators.release(event_id, OPERATOR)
    audit(OPERATOR, "events release", event_id, "done")
    return JSONResponse({"event_id": event_id, "status": status})


async def expire_event(request: Request) -> Response:
    """POST /events/{event_id}/expire: end an event's time."""
    runtime, event_id = operators_runtime(request), request.path_params["event_id"]
    status, reply_status = await runtime.operators.expire(event_id)
    audit(OPERATOR, "events expire", event_id, "done")
    return JSONResponse({"event_id": event_id, "status": status, "reply": {"status": reply_status}})


async def run_event_again(request: Request) -> Response:
    """POST /events/{event_id}/run-again: bring its payload again as new, or another."""
    runtime, event_id = operators_runtime(request), request.path_params["event_id"]
    said = await read_members(request, runtime.settings.max_body_bytes, "payload")
    content = Content.of_json(said["payload"]) if "payload" in said else None
    event = await runtime.running_again.run_event(event_id, OPERATOR, runtime.servers, content)
    audit(OPERATOR, "events run-again", event_id, event.event_id)
    return JSONResponse(
        {"event_id": event.event_id, "status": event.status, "again": event_id}, 202
    )


async def cancel_call(request: Request) -> Response:
    """POST /calls/{call_id}/cancel: end a call, sent or not."""
    runtime, call_id = operators_runtime(request), request.path_params["call_id"]
    status = await runtime.operators.cancel(call_id)
    audit(OPERATOR, "calls cancel", call_id, "done")
    return JSONResponse({"call_id": call_id, "status": status})


async def run_call_again(request: Request) -> Response:
    """POST /calls/{call_id}/run-again: run it again as new, with its arguments or others."""
    runtime, call_id = operators_runtime(request), request.path_params["call_id"]
    said = await read_members(request, runtime.settings.max_body_bytes, "arguments")
    arguments = read_arguments(said["arguments"]) if "arguments" in said else None
    ttl_s = runtime.settings.result_ttl_s
    again = runtime.running_again
    call = await again.run_call(call_id, OPERATOR, runtime.servers, ttl_s, arguments)
    audit(OPERATOR, "calls run-again", call_id, call.call_id)
    return JSONResponse({"call_id": call.call_id, "status": call.status, "again": call_id}, 202)

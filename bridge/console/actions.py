"""What operators change: forms that each do one act, leave its audit line, and lead on."""

from starlette.responses import Response

from bridge.console.visits import Visit
from bridge.errors import MalformedError
from bridge.formats.json_text import parse_json
from bridge.formats.payloads import Content
from bridge.log import audit
from bridge.models import EventId
from bridge.verbs.pausing import Begun
from bridge.verbs.running_again import read_arguments


async def redrive_event(visit: Visit) -> Response:
    """Queue an event anew that was set aside, or send its dead reply again."""
    event_id = visit.request.path_params["event_id"]
    await visit.runtime.operators.redrive(event_id)
    return _done(visit, "events", "redrive", event_id)


async def release_event(visit: Visit) -> Response:
    """Take a leased event from its taker."""
    event_id = visit.request.path_params["event_id"]
    await visit.runtime.operators.release(event_id, visit.login.who)
    return _done(visit, "events", "release", event_id)


async def expire_event(visit: Visit) -> Response:
    """End the time of an event."""
    event_id = visit.request.path_params["event_id"]
    await visit.runtime.operators.expire(event_id)
    return _done(visit, "events", "expire", event_id)


async def run_event_again(visit: Visit) -> Response:
    """Bring a payload to its hook again as a new event, as it was or as it was edited."""
    event_id = visit.request.path_params["event_id"]
    edited = None
    if "json" in visit.form:
        edited = Content.of_json(parse_json(visit.form["json"].encode()))
    runtime = visit.runtime
    event = await runtime.running_again.run_event(
        event_id, visit.login.who, runtime.servers, edited
    )
    audit(visit.login.who, "console events run-again", event_id, event.event_id)
    return visit.back_to(f"/events/{event.event_id}")


async def redrive_reply(visit: Visit) -> Response:
    """Send a dead reply again."""
    event_id = visit.request.path_params["event_id"]
    await visit.runtime.operators.replies.redrive(EventId(event_id))
    return _done(visit, "replies", "redrive", event_id)


async def cancel_call(visit: Visit) -> Response:
    """End a call, sent or not."""
    call_id = visit.request.path_params["call_id"]
    await visit.runtime.operators.cancel(call_id)
    return _done(visit, "calls", "cancel", call_id)


async def run_call_again(visit: Visit) -> Response:
    """Run a call again as a new one, with its arguments or with edited ones."""
    call_id = visit.request.path_params["call_id"]
    edited = None
    if "json" in visit.form:
        edited = read_arguments(parse_json(visit.form["json"].encode()))
    runtime = visit.runtime
    call = await runtime.running_again.run_call(
        call_id, visit.login.who, runtime.servers, runtime.settings.result_ttl_s, edited
    )
    audit(visit.login.who, "console calls run-again", call_id, call.call_id)
    return visit.back_to(f"/calls/{call.call_id}")


async def pause_or_resume(visit: Visit) -> Response:
    """Let nothing begin at a server, a hook or a workflow, or have it go on.

    Raises:
        MalformedError: the form does not say which.
    """
    place, servers = visit.form.get("place", ""), visit.runtime.servers
    pausing, begun = visit.runtime.operators.pausing, visit.form.get("begun", Begun.FINISH)
    if begun not in tuple(Begun):
        raise MalformedError(f"what was begun must {', '.join(Begun)}")
    match visit.form.get("act"):
        case "pause":
            await pausing.pause(place, visit.login.who, Begun(begun), servers)
        case "resume":
            await pausing.resume(place, servers)
        case _:
            raise MalformedError("say whether to pause or to resume")
    audit(visit.login.who, f"console {visit.form['act']}", place, "done")
    return visit.back_to("/servers")


def _done(visit: Visit, records: str, act: str, record_id: str) -> Response:
    audit(visit.login.who, f"console {records} {act}", record_id, "done")
    return visit.back_to(f"/{records}/{record_id}")

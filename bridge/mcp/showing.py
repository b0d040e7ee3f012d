"""Payloads and results as Claude is shown them: what their server lets them spare is left out."""

from bridge.errors import NotFoundError
from bridge.models import Json
from bridge.payloads import resolve
from bridge.runtime import Runtime
from bridge.servers import Server
from bridge.trimming import spare_envelopes, spare_members


def shown_payload(runtime: Runtime, server: Server, hook: str, payload: Json) -> Json:
    """Give an event's payload; a path into what is shown means the same in what n8n sent."""
    if not server.trim_context:
        return payload
    known = server.hooks.get(hook)
    schema, schemas = known.payload if known else None, runtime.schemas
    return spare_members(payload, schema, lambda lean: schemas.allows(schema, lean))


async def shown_part(
    runtime: Runtime, server: Server, event_id: str, path: str, *, detailed: bool
) -> Json:
    """Read the part of an event's payload that a JSON Pointer into what n8n sent names.

    What is not shown in the whole is shown as it is to whoever names it.
    """
    payload = await runtime.events.read(server.name, event_id, "")
    if detailed or not server.trim_context:
        return resolve(payload, path)
    event = await runtime.events.find(server.name, event_id)
    try:
        return resolve(shown_payload(runtime, server, event.hook, payload), path)
    except NotFoundError:
        return resolve(payload, path)


def shown_result(runtime: Runtime, server: Server, workflow: str, result: Json) -> Json:
    """Give a workflow's result, which its own output schema still allows."""
    if not server.trim_context:
        return result
    # Whoever only reads may read what workflows said that only others may run.
    known = runtime.servers.get(server.name, server).workflows.get(workflow)
    schema, schemas = known.output if known else None, runtime.schemas
    return spare_envelopes(result, schema, lambda lean: schemas.allows(schema, lean))

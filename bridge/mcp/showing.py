"""Payloads and results as Claude is shown them: what their server lets them spare is left out."""

from typing import TYPE_CHECKING

from bridge.configuration.servers import Server
from bridge.errors import NotFoundError
from bridge.formats.json_text import DEPTH_MAX, decode, is_deeper
from bridge.formats.payloads import LONG_BYTES, LongJson, Page, page, resolve
from bridge.formats.trimming import spare_envelopes, spare_members
from bridge.mcp.envelopes import text_page
from bridge.models import Call, Json
from bridge.runtime import Runtime

if TYPE_CHECKING:  # workers tell of events too, and have no use for the half second of MCP's SDK
    from bridge.mcp.exchange import Caller


def shown_payload(
    runtime: Runtime, server: Server, hook: str, payload: Json | LongJson
) -> Json | LongJson:
    """Give an event's payload; a path into what is shown means the same in what n8n sent."""
    if not server.trim_context or isinstance(payload, LongJson):
        return payload
    known = server.hooks.get(hook)
    schema, schemas = known.payload if known else None, runtime.schemas
    hard = server.trim_context == "hard"
    return spare_members(payload, schema, lambda lean: schemas.allows(schema, lean), hard=hard)


async def shown_part(
    runtime: Runtime, server: Server, event_id: str, path: str, *, detailed: bool
) -> Json | LongJson:
    """Read the part of an event's payload that a JSON Pointer into what n8n sent names.

    What is not shown in the whole is shown as it is to whoever names it.
    """
    payload = await runtime.events.read(server.name, event_id, "")
    if isinstance(payload, LongJson):
        return await payload.at(path)
    if detailed or not server.trim_context:
        return resolve(payload, path)
    event = await runtime.events.find(server.name, event_id)
    try:
        shown = shown_payload(runtime, server, event.hook, payload)
        return shown if isinstance(shown, LongJson) else resolve(shown, path)
    except NotFoundError:
        return resolve(payload, path)


def shown_result(
    caller: "Caller", call: Call, offset: int = 0, *, detailed: bool = False
) -> Json | Page:
    """Return a call's result, or a page of its text where it is not shown as it is.

    The workflow's own output schema allows what is shown of it.
    """
    content, chars = call.result or b"null", caller.runtime.settings.result_chars
    if len(content) > LONG_BYTES:
        return LongJson(content.decode()).page(offset, chars)
    try:
        result = _workable(content)
    except RecursionError:
        return page(content.decode(), offset, chars)
    if caller.server.trim_context and not detailed:
        result = _spared(caller, call.workflow, result)
    part = text_page(result, offset, chars)
    return result if part is None else part


def _workable(content: bytes) -> Json:
    """Read a result that was kept.

    Raises:
        RecursionError: it is too deep to be worked on, as versions before took them.
    """
    result: Json = decode(content)
    may_be_deep = content.count(b"[") + content.count(b"{") > DEPTH_MAX
    if may_be_deep and is_deeper(result, DEPTH_MAX):
        raise RecursionError
    return result


def _spared(caller: "Caller", workflow: str, result: Json) -> Json:
    runtime, server = caller.runtime, caller.server
    # Whoever only reads may read what workflows said that only others may run.
    known = runtime.servers.get(server.name, server).workflows.get(workflow)
    schema, schemas = known.output if known else None, runtime.schemas
    hard = server.trim_context == "hard"
    return spare_envelopes(result, schema, lambda lean: schemas.allows(schema, lean), hard=hard)

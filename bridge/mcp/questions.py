"""What a workflow asks in the middle of a call, as Claude and its user are asked it."""

from typing import Any

import mcp_types as types
from mcp.shared.exceptions import MCPError

from bridge.configuration.servers import Server
from bridge.errors import InvalidError, LeaseLostError, MalformedError, PausedError
from bridge.formats.json_text import parse_json, spell
from bridge.formats.long_json import LongJson, page
from bridge.formats.payloads import read_kept
from bridge.log import audit
from bridge.mcp.asking_approval import waits_for
from bridge.mcp.tool_results import DATA_NOTICE, payload_or_start, shown_payload
from bridge.mcp.tools import Caller, Schema
from bridge.models import Call, Json, Question, paused_since

FORM_TYPES = frozenset({"string", "number", "integer", "boolean"})
FREE_FORM: Schema = {
    "type": "object",
    "properties": {"reply": {"type": "string", "description": "The reply, as text or as JSON."}},
    "required": ["reply"],
}
"""What the user is asked for where the reply is no list of simple fields."""


def input_required(caller: Caller, question: Question) -> dict[str, Any]:
    """Show an open question, with the start of a payload that is long."""
    head = {"event_id": question.event_id, "hook": question.hook, "notice": DATA_NOTICE}
    return head | payload_or_start(_shown(question, caller), caller.runtime.settings.result_chars)


def next_step(call: Call, caller: Caller) -> str:
    """Report what to do about a call that has not ended."""
    then = "read_call with this call_id and wait_seconds 60"
    if call.unapproved:
        waits = waits_for(call.unapproved)
        return f"Not run yet: the call {waits}. Tell the user so, and call {then} to see its end."
    if call.paused_at_ms:
        since = paused_since(call.paused_at_ms)
        return f"{call.workflow} is {since}: this call waits until it is resumed. Call {then}."
    if call.question is None:
        return f"Not finished yet. Call {then}."
    if call.question.is_taken:
        return f"The workflow has asked something, and somebody is about to answer. Call {then}."
    if not caller.scope.acts:
        return f"The workflow has asked something, and somebody else must answer. Call {then}."
    return (
        "The workflow asks something and waits for the answer. "
        f"Call take_event with event_id {call.question.event_id}, then reply_to_event with that "
        f"event_id, the lease you get and your reply, then {then}."
    )


def input_requests(call: Call, caller: Caller) -> dict[str, Any]:
    """Ask a task's user all that is open, by the ids of the events, in forms for elicitation."""
    return {question.event_id: _elicitation(call, question, caller) for question in call.unanswered}


def _elicitation(call: Call, question: Question, caller: Caller) -> dict[str, Any]:
    hook, chars = caller.server.hooks.get(question.hook), caller.runtime.settings.result_chars
    text = spell(_shown(question, caller))
    asked = [f"{call.workflow} asks ({question.hook}):", hook.description if hook else ""]
    message = "\n".join(filter(None, [*asked, page(text, 0, chars).text]))
    schema = hook.reply if hook and is_form(hook.reply) else FREE_FORM
    params = types.ElicitRequestFormParams(message=message, requested_schema=schema or FREE_FORM)
    request = types.ElicitRequest(params=params)
    return request.model_dump(by_alias=True, mode="json", exclude_none=True)


def is_form(schema: Schema | bool | None) -> bool:
    """Report whether a form can ask for it: an object whose members are all simple."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return False
    members = schema.get("properties", {}).values()
    return bool(members) and all(
        isinstance(member, dict) and member.get("type") in FORM_TYPES for member in members
    )


async def take_answer(caller: Caller, question: Question, response: object) -> None:
    """Answer a task's open question as its user did, on record; one that is settled is left.

    Raises:
        MCPError: the answer breaks the hook's reply schema, or the hook is paused; the question
            stays open.
    """
    questions, event_id = caller.runtime.questions, question.event_id
    try:
        match response:
            case {"action": "accept", "content": dict(content)}:
                value = _value(caller.server, question, content)
                await questions.answer(caller.server, caller.principal, event_id, value)
            case {"action": "decline"}:
                await questions.decline(caller.server, caller.principal, event_id)
            case _:
                return
    except LeaseLostError:
        return
    except (InvalidError, PausedError) as error:
        audit(str(caller.principal), "tasks/update", event_id, "refused")
        raise MCPError(types.INVALID_PARAMS, str(error)) from error
    audit(str(caller.principal), "tasks/update", event_id, "done")


def _value(server: Server, question: Question, content: dict[str, Any]) -> Json:
    """Read the reply out of the form that was filled in."""
    hook = server.hooks.get(question.hook)
    if hook and is_form(hook.reply):
        return content
    text = content.get("reply")
    if not isinstance(text, str):
        return content
    try:
        return parse_json(text.encode(errors="surrogatepass"))
    except MalformedError:
        return text


def _shown(question: Question, caller: Caller) -> Json | LongJson:
    payload = read_kept(question.body.content)
    return shown_payload(caller.runtime.schemas, caller.server, question.hook, payload)

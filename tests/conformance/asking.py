"""The suite's fixture tools that speak while they run: logs, progress, questions, a hang-up."""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.session import ServerSession
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata
from pydantic import BaseModel

from bridge.mcp.tools import Caller, failure
from tests.conformance.contents import text

Context = ServerRequestContext[Caller]
Arguments = Mapping[str, Any]
Schema = dict[str, Any]

Answer = TypeVar("Answer", bound=BaseModel)

STRING: Schema = {"type": "string"}
ANSWER: Schema = {
    "type": "object",
    "properties": {"username": STRING, "email": STRING},
    "required": ["username", "email"],
}
DEFAULTS: Schema = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {
            "type": "string",
            "enum": ["active", "inactive", "pending"],
            "default": "active",
        },
        "verified": {"type": "boolean", "default": True},
    },
}
OPTIONS = ["option1", "option2", "option3"]
TITLED = [{"const": f"value{n}", "title": f"Choice {n}"} for n in (1, 2, 3)]
ENUMS: Schema = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": OPTIONS},
        "titledSingle": {"type": "string", "oneOf": TITLED},
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": OPTIONS}},
        "titledMulti": {"type": "array", "items": {"anyOf": TITLED}},
    },
}


def say(said: str) -> types.CallToolResult:
    """Answer with a text."""
    return types.CallToolResult(content=[text(said)])


async def log(context: Context, said: str) -> None:
    """Log on the stream of the request."""
    await context.session.send_log_message("info", said, related_request_id=context.request_id)


async def ask(context: Context, request: types.ServerRequest, answer: type[Answer]) -> Answer:
    """Ask the client on the stream of the request."""
    session: ServerSession = context.session
    metadata = ServerMessageMetadata(related_request_id=context.request_id)
    return await session.send_request(request, answer, metadata=metadata)


async def elicit(context: Context, message: str, schema: Schema) -> types.CallToolResult:
    """Ask the user and tell what the answer was."""
    params = types.ElicitRequestFormParams(message=message, requested_schema=schema)
    answer = await ask(context, types.ElicitRequest(params=params), types.ElicitResult)
    return say(
        f"Elicitation completed: action={answer.action}, content={json.dumps(answer.content)}"
    )


async def tool_with_logging(context: Context, _given: Arguments) -> types.CallToolResult:
    """Logs three times while it runs."""
    for said in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await log(context, said)
    return say("Logged three times.")


async def tool_with_progress(context: Context, _given: Arguments) -> types.CallToolResult:
    """Reports progress three times."""
    for progress in (0, 50, 100):
        await context.session.report_progress(progress, total=100)
    return say("Reported three times.")


async def sampling(context: Context, given: Arguments) -> types.CallToolResult:
    """Asks the client's model."""
    message = types.SamplingMessage(role="user", content=text(given["prompt"]))
    params = types.CreateMessageRequestParams(messages=[message], max_tokens=100)
    answer = await ask(
        context, types.CreateMessageRequest(params=params), types.CreateMessageResult
    )
    content = answer.content
    return say(f"LLM response: {content.text if content.type == 'text' else content.type}")


async def elicitation(context: Context, given: Arguments) -> types.CallToolResult:
    """Asks the user for a name and an address."""
    return await elicit(context, given["message"], ANSWER)


async def elicitation_sep1034_defaults(context: Context, _given: Arguments) -> types.CallToolResult:
    """Asks the user with a default for each kind of value."""
    return await elicit(context, "Please look these over", DEFAULTS)


async def elicitation_sep1330_enums(context: Context, _given: Arguments) -> types.CallToolResult:
    """Asks the user to choose, in each way there is to say so."""
    return await elicit(context, "Please choose", ENUMS)


async def reconnection(context: Context, _given: Arguments) -> types.CallToolResult:
    """Closes its stream in the middle, so that the client must resume it."""
    await log(context, "Before the stream is closed")
    if context.close_sse_stream is not None:
        await context.close_sse_stream()
    await log(context, "After the stream was closed")
    return say("Told on the resumed stream.")


async def error_handling(_context: Context, _given: Arguments) -> types.CallToolResult:
    """Fails always."""
    return failure("This tool intentionally returns an error for testing")


async def missing_capability(context: Context, _given: Arguments) -> types.CallToolResult:
    """Needs a client that can sample."""
    declared = context.session.client_capabilities
    if declared is None or declared.sampling is None:
        needed: Schema = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(types.MISSING_REQUIRED_CLIENT_CAPABILITY, "sampling is needed", needed)
    return say("The client can sample.")


async def streaming_elicitation(context: Context, _given: Arguments) -> types.CallToolResult:
    """Tries to ask on a stream that has no room for questions."""
    await context.session.report_progress(0.5)
    try:
        return await elicit(context, "Is there a way back?", ANSWER)
    except MCPError as error:
        return say(f"Not asked: {error.error.message}")


async def logging_tool(context: Context, _given: Arguments) -> types.CallToolResult:
    """Logs once, if the client wants to hear it."""
    await log(context, "Heard by those who listen")
    return say("Logged once.")


async def x_mcp_header(_context: Context, given: Arguments) -> types.CallToolResult:
    """Takes an argument that is repeated in a header."""
    return say(f"region={given.get('region')}")


SPEAKING_TOOLS = (
    tool_with_logging,
    tool_with_progress,
    sampling,
    elicitation,
    elicitation_sep1034_defaults,
    elicitation_sep1330_enums,
    reconnection,
    error_handling,
    missing_capability,
    streaming_elicitation,
    logging_tool,
    x_mcp_header,
)

"""The suite's fixtures that need the client's input first (SEP-2322): they ask by their result."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import mcp_types as types

from tests.conformance.asking import STRING, Context, Schema, say
from tests.conformance.contents import messages, text

Asked = types.CallToolResult | types.InputRequiredResult
Answers = Mapping[str, types.InputResponse]

ROOTS = types.ListRootsRequest(params=types.RequestParams())


def form(message: str, **properties: Schema) -> types.ElicitRequest:
    """Ask the user for these, all of them."""
    schema: Schema = {"type": "object", "properties": properties, "required": list(properties)}
    return types.ElicitRequest(
        params=types.ElicitRequestFormParams(message=message, requested_schema=schema)
    )


def sample(prompt: str, max_tokens: int) -> types.CreateMessageRequest:
    """Ask the client's model."""
    message = types.SamplingMessage(role="user", content=text(prompt))
    return types.CreateMessageRequest(
        params=types.CreateMessageRequestParams(messages=[message], max_tokens=max_tokens)
    )


def entered(answer: types.InputResponse | None, field: str) -> str:
    """Read what the user entered; empty when nothing was."""
    content = answer.content if isinstance(answer, types.ElicitResult) else None
    return str(content.get(field, "")) if content else ""


def sampled(answer: types.InputResponse) -> str:
    """Read what the client's model said."""
    content = answer.content if isinstance(answer, types.CreateMessageResult) else None
    return content.text if isinstance(content, types.TextContent) else ""


NAME = form("What is your name?", name=STRING)
CONFIRM = form("Please confirm", ok={"type": "boolean"})
CAPITAL = sample("What is the capital of France?", 100)
GREETING = sample("Generate a greeting", 50)


@dataclass(frozen=True)
class OneRound:
    """A tool that asks once; `tell` makes its result of the answers."""

    description: str
    requests: types.InputRequests
    tell: Callable[[Answers], str]
    state: str | None = None

    async def __call__(self, _context: Context, params: types.CallToolRequestParams) -> Asked:
        """Ask, or tell the result when all has been answered."""
        answers = params.input_responses or {}
        if self.requests.keys() <= answers.keys() and params.request_state == self.state:
            return say(self.tell(answers))
        return types.InputRequiredResult(input_requests=self.requests, request_state=self.state)


ONE_ROUND = {
    "elicitation": OneRound(
        "Asks for a name.",
        {"user_name": NAME},
        lambda answers: f"Hello, {entered(answers['user_name'], 'name')}!",
    ),
    "sampling": OneRound(
        "Asks the client's model.",
        {"capital_question": CAPITAL},
        lambda answers: f"The model said: {sampled(answers['capital_question'])}",
    ),
    "list_roots": OneRound(
        "Asks for the client's roots.",
        {"client_roots": ROOTS},
        lambda answers: f"The roots: {answers['client_roots'].model_dump_json()}",
    ),
    "request_state": OneRound(
        "Asks for a word, and has its state brought back.",
        {"confirm": CONFIRM},
        lambda _: "state-ok",
        "waits-for-confirm",
    ),
    "tampered_state": OneRound(
        "Asks for a word, and trusts no state but its own.",
        {"confirm": CONFIRM},
        lambda _: "state-ok",
        "waits-for-confirm",
    ),
    "multiple_inputs": OneRound(
        "Asks for three things at once.",
        {"user_name": NAME, "greeting": GREETING, "client_roots": ROOTS},
        lambda _: "All three have come.",
        "waits-for-three",
    ),
}


async def multi_round(_context: Context, params: types.CallToolRequestParams) -> Asked:
    """Asks twice, and keeps what it knows in its state."""
    known = json.loads(params.request_state or "{}")
    for step, answer in (params.input_responses or {}).items():
        known[step] = entered(answer, "name" if step == "step1" else "color")
    if not known.get("step1"):
        question = {"step1": form("Step 1: What is your name?", name=STRING)}
    elif not known.get("step2"):
        question = {"step2": form("Step 2: What is your favorite color?", color=STRING)}
    else:
        return say(f"{known['step1']} likes {known['step2']}.")
    return types.InputRequiredResult(input_requests=question, request_state=json.dumps(known))


async def capabilities(context: Context, _params: types.CallToolRequestParams) -> Asked:
    """Asks only for what the client can answer."""
    declared = context.session.client_capabilities or types.ClientCapabilities()
    requests: types.InputRequests = {}
    if declared.sampling is not None:
        requests["sample"] = GREETING
    if declared.elicitation is not None:
        requests["ask"] = NAME
    return types.InputRequiredResult(input_requests=requests, request_state="asked")


def answer_prompt(
    params: types.GetPromptRequestParams,
) -> types.GetPromptResult | types.InputRequiredResult:
    """Ask before the prompt, or give it."""
    answer = (params.input_responses or {}).get("user_context")
    if answer is None:
        question = {"user_context": form("What context should the prompt use?", context=STRING)}
        return types.InputRequiredResult(input_requests=question)
    return messages([text(f"Mind this: {entered(answer, 'context')}")])

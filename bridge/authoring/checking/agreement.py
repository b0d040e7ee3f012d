"""A workflow of a server file beside n8n's webhook: credential, way of the result, input."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bridge.authoring.checking.rules import (
    WEBHOOK_AUTH,
    WEBHOOK_EARLY,
    WEBHOOK_INPUT,
    WEBHOOK_OPEN,
    WEBHOOK_RESULT,
)
from bridge.authoring.discovery.inputs import Input, input_of
from bridge.authoring.discovery.webhooks import AT_ONCE, STREAMING, Webhook
from bridge.configuration.credentials import HeaderAuth
from bridge.configuration.documents import Place
from bridge.configuration.findings import Rule
from bridge.configuration.raw import mapping
from bridge.configuration.servers import Workflow

Wrong = tuple[Rule, Place, str]
"""A rule, a place within an entry of `workflows`, and what is wrong there."""

AUTHORIZATION = "a header `Authorization`"
SENT = {"basic": "a user and a password", "bearer": "a bearer token", "header": "a header"}
TAKEN: Mapping[str, tuple[str, ...]] = {
    "basicAuth": (SENT["basic"], AUTHORIZATION),
    "headerAuth": (SENT["header"], SENT["bearer"], AUTHORIZATION),
    "jwtAuth": (SENT["bearer"], AUTHORIZATION),
    "n8nOAuth2": (),
}
"""What lets in by each way of authentication that a webhook may have."""
NAMES = {
    "basicAuth": "Basic Auth",
    "headerAuth": "Header Auth",
    "jwtAuth": "JWT Auth",
    "n8nOAuth2": "a login of n8n, which no tool has",
}
SUB_WORKFLOW_RUN = "n8n-nodes-base.executeWorkflow"
EXECUTION_ID = "={{ JSON.stringify({ executionId: $execution.id }) }}"


def disagreements(workflow: Workflow, webhook: Webhook) -> Iterator[Wrong]:
    """Find where a workflow and the webhook that it calls do not agree."""
    yield from _of_auth(workflow, webhook)
    yield from _of_result(workflow, webhook)
    taken = input_of(webhook.workflow, webhook.node, reads_pinned=False)
    if taken.is_said:
        yield from _of_input(workflow, taken)


def _of_auth(workflow: Workflow, webhook: Webhook) -> Iterator[Wrong]:
    asked, sent = webhook.authentication, _sent(workflow)
    if asked == "none" and workflow.auth:
        said = (
            f"sends {sent}, but {webhook} asks for none, so anybody who knows its address can run "
            "it: set the node's Authentication"
        )
        yield WEBHOOK_OPEN, ("auth",), said
    elif asked in TAKEN and sent and sent not in TAKEN[asked]:
        said = f"sends {sent}, but {webhook} asks for {NAMES[asked]}: change `auth` or the node"
        yield WEBHOOK_AUTH, ("auth",), said


def _sent(workflow: Workflow) -> str:
    """Return what proves the bridge to n8n; empty where that may be among other headers."""
    if workflow.auth is None:
        return "" if workflow.headers else "no credential"
    if isinstance(workflow.auth, HeaderAuth) and workflow.auth.headers == ("authorization",):
        return AUTHORIZATION
    return SENT[workflow.auth.kind]


def _of_result(workflow: Workflow, webhook: Webhook) -> Iterator[Wrong]:
    if webhook.response_mode == STREAMING:
        said = f"cannot be read: {webhook} streams: let it respond when the last node finishes"
        yield WEBHOOK_RESULT, ("result",), said
    elif workflow.result == "execution" and not webhook.tells_execution:
        said = (
            f"is `execution`, but {webhook} does not answer with the execution's id: let it "
            f"respond immediately, with the response data {EXECUTION_ID}"
        )
        yield WEBHOOK_RESULT, ("result",), said
    elif workflow.result == "callback" and not _may_call_back(webhook):
        said = (
            f"is `callback`, but no node beside {webhook} reads the header Bridge-Callback-Url: "
            "let one post the result there"
        )
        yield WEBHOOK_RESULT, ("result",), said
    elif workflow.result == "response" and webhook.response_mode == AT_ONCE:
        said = (
            f"gets none: {webhook} answers at once, so Claude learns only that it started: let it "
            "respond when the last node finishes, or with the execution's id"
        )
        yield WEBHOOK_EARLY, ("result",), said


def _may_call_back(webhook: Webhook) -> bool:
    """Report whether a node reads the address for results, or hands it on to a sub-workflow."""
    return webhook.calls_back or any(node.type == SUB_WORKFLOW_RUN for node in webhook.nodes)


def _of_input(workflow: Workflow, taken: Input) -> Iterator[Wrong]:
    ours, theirs = workflow.input, taken.schema
    own, asked = mapping(ours.get("properties")), mapping(theirs.get("properties"))
    source = f"({taken.source})"
    if lacking := [name for name in asked if name not in own]:
        yield (
            WEBHOOK_INPUT,
            ("input",),
            f"lacks {_names(lacking)}, which n8n takes {source}: add it",
        )
    required = theirs.get("required")
    needed = [name for name in own if isinstance(required, list) and name in required]
    if optional := [name for name in needed if name not in ours.get("required", ())]:
        said = f"does not require {_names(optional)}, as n8n does {source}: add it to `required`"
        yield WEBHOOK_INPUT, ("input",), said
    for name, schema in own.items():
        place = ("input", "properties", name)
        if name not in asked:
            if not theirs.get("additionalProperties"):
                said = f"is nothing that n8n takes {source}: drop it, or add it there"
                yield WEBHOOK_INPUT, place, said
        elif kinds := _other_kinds(mapping(schema), mapping(asked[name])):
            yield WEBHOOK_INPUT, place, f"is of type {kinds[0]} here and {kinds[1]} in n8n {source}"


def _other_kinds(own: Mapping[str, Any], asked: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the types of a field where both have one and what is sent may not be taken."""
    sent, taken = own.get("type"), asked.get("type")
    if not isinstance(sent, str) or not isinstance(taken, str) or sent == taken:
        return None
    return None if (sent, taken) == ("integer", "number") else (sent, taken)


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)

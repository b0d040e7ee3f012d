"""From a published workflow to the entry of a server file that runs it."""

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from bridge.authoring.discovery.inputs import (
    STICKY_NOTE,
    Input,
    description_of,
    input_of,
    without_schema,
)
from bridge.authoring.discovery.webhooks import AT_ONCE, STREAMING, Webhook, webhooks_of
from bridge.authoring.naming import tool_name, variable_name
from bridge.configuration.fields import BUILT_IN_TOOLS
from bridge.configuration.raw import mapping, text
from bridge.configuration.tool_limits import DESCRIPTION_CHARS
from bridge.configuration.variables import literal
from bridge.n8n.api import WorkflowRecord

TAG = "claude"
READS_ONLY = "GET"


@dataclass(frozen=True)
class Choice:
    """Which workflows become tools: those with the tag or said to be for MCP, or all."""

    tag: str = TAG
    takes_all: bool = False
    reads_pinned: bool = False

    def takes(self, workflow: WorkflowRecord) -> bool:
        """Report whether a workflow is for Claude."""
        is_said = workflow.settings.get("availableInMCP") is True
        return self.takes_all or is_said or any(tag.name == self.tag for tag in workflow.tags)


@dataclass(frozen=True)
class FoundTool:
    """One entry of `workflows` in a server file, as n8n has it.

    `said` names the keys that n8n is sure of: those follow n8n where the entry is there already.
    `notes` are comments for whoever reads the file; `secrets` the variables that it needs.
    """

    name: str
    entry: Mapping[str, Any]
    said: frozenset[str]
    notes: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()

    def unset(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """Name the variables that it needs and nobody has set."""
        return tuple(name for name in self.secrets if not environ.get(name, "").strip())


@dataclass(frozen=True)
class PassedOver:
    """A webhook that became no tool, and why."""

    workflow: str
    why: str


@dataclass
class Found:
    """What of n8n's workflows became tools, and what did not."""

    tools: list[FoundTool] = field(default_factory=list)
    passed_over: list[PassedOver] = field(default_factory=list)


class Credentials:
    """Names a variable for each credential of n8n's: two of one name have two."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}

    def variable(self, called: str, credential_id: str) -> str:
        """Return the variable for the secret of a credential, by what people call that."""
        variable = f"N8N_{variable_name(called) or 'WEBHOOK'}"
        if self._ids.setdefault(variable, credential_id) == credential_id:
            return variable
        return f"{variable}_{variable_name(credential_id)}"


def tools_of(workflows: Iterable[WorkflowRecord], choice: Choice, name_chars: int) -> Found:
    """Make a tool of each webhook of the chosen workflows, in the order of their names.

    No name is longer than `name_chars`.
    """
    found = Found()
    taken = set(BUILT_IN_TOOLS)
    credentials = Credentials()
    for workflow in sorted(workflows, key=lambda each: (each.name, each.id)):
        webhooks = list(webhooks_of(workflow, workflow.published))
        if not webhooks:
            found.passed_over.append(PassedOver(workflow.name, "it has no Webhook node"))
        for webhook in webhooks:
            if why := _why_not(webhook):
                found.passed_over.append(PassedOver(workflow.name, why))
                continue
            title = workflow.name if len(webhooks) == 1 else f"{workflow.name}: {webhook.node.name}"
            name = free_name(title, workflow.id, taken, name_chars)
            taken.add(name)
            found.tools.append(_tool(name, title, webhook, choice, credentials))
    return found


def free_name(told: str, workflow_id: str, taken: Collection[str], chars: int) -> str:
    """Return a tool's name made of what people call it, with the id where that is taken."""
    slug = tool_name(told)[:chars].rstrip("_")
    if slug and slug not in taken:
        return slug
    ids = itertools.chain([workflow_id], (f"{workflow_id} {n}" for n in itertools.count(2)))
    ends = (f"_{tool_name(each)}" for each in ids)
    names = (f"{(slug or 'workflow')[: chars - len(end)]}{end}" for end in ends)
    return next(name for name in names if name not in taken)


def _why_not(webhook: Webhook) -> str:
    if webhook.has_parameters:
        return "its path has a parameter, which a tool cannot fill: put it into the body"
    if webhook.authentication == "n8nOAuth2":
        return "its webhook lets in people of n8n only: choose Header Auth"
    if webhook.response_mode == STREAMING:
        return "its webhook streams, which no tool can: respond when the last node finishes"
    if _method(webhook) == "":
        return "its webhook takes no method that a tool has"
    return ""


def _tool(
    name: str, title: str, webhook: Webhook, choice: Choice, credentials: Credentials
) -> FoundTool:
    taken = input_of(webhook.workflow, webhook.node, reads_pinned=choice.reads_pinned)
    method = _method(webhook)
    auth, secrets, note = _auth(webhook, credentials)
    result, warning = _result(webhook)
    description = _description(webhook.workflow)
    entry: dict[str, Any] = {
        "title": literal(title),
        "description": literal(description or f"Runs the n8n workflow “{title}”."),
        "url": f"${{BRIDGE_N8N_URL}}/webhook/{quote(webhook.path, safe='/')}",
        "method": method,
        **({"auth": auth} if auth else {}),
        "input": literal(taken.schema),
        "result": result,
    }
    if method == READS_ONLY:
        entry["annotations"] = {"read_only": True}
    said = {"url", "method", "result", "title"}
    said |= {"input"} if taken.is_said else set()
    said |= {"description"} if description else set()
    notes = (
        f"`input` from {taken.source}",
        *_advice(taken, description),
        *([note] if note else ()),
        *([warning] if warning else ()),
    )
    return FoundTool(name, entry, frozenset(said), notes, secrets)


def _advice(taken: Input, description: str) -> Iterator[str]:
    if not description:
        yield "say in n8n what the workflow does: Claude decides by its description"
    if not taken.is_said:
        yield "write the JSON Schema of the body into the Webhook node's notes to be exact"


def _description(workflow: WorkflowRecord) -> str:
    if said := without_schema(description_of(workflow)):
        return said
    notes = (node for node in workflow.published if node.type == STICKY_NOTE)
    told = (without_schema(str(node.parameters.get("content", ""))) for node in notes)
    return next((_shortened(note) for note in told if note), "")


def _shortened(note: str) -> str:
    """Return as much of a note as a description may hold: nobody wrote it as one."""
    if len(note) <= DESCRIPTION_CHARS:
        return note
    words, _, rest = note[: DESCRIPTION_CHARS - 1].rpartition(" ")
    return f"{words.rstrip() or rest}…"


def _method(webhook: Webhook) -> str:
    """Return the method that a tool uses, of several the one that carries a body."""
    usable = ("POST", "PUT", "PATCH", "GET", "DELETE", "HEAD")
    return next((method for method in usable if method in webhook.methods), "")


def _auth(
    webhook: Webhook, credentials: Credentials
) -> tuple[dict[str, Any], tuple[str, ...], str]:
    """Return the `auth` of an entry, the variables it needs, and what to know of it.

    n8n's API never shows a credential: neither the secret nor the header's name.
    """
    credential = mapping(next(iter(webhook.node.credentials.values()), {}))
    called = text(credential.get("name"))
    variable = credentials.variable(called, text(credential.get("id")))
    match webhook.authentication:
        case "headerAuth":
            auth = {"header": {"name": "Authorization", "value": f"env:{variable}"}}
            write = f"write those of its credential “{called}”"
            return auth, (variable,), f"n8n tells neither name nor value of the header: {write}"
        case "basicAuth":
            auth = {"basic": {"user": f"${{{variable}_USER}}", "password": f"env:{variable}"}}
            return auth, (f"{variable}_USER", variable), f"n8n's credential “{called}”"
        case "jwtAuth":
            note = f"a JWT that n8n's credential “{called}” takes"
            return {"bearer": f"env:{variable}"}, (variable,), note
    return {}, (), ""


def _result(webhook: Webhook) -> tuple[str, str]:
    """Return where the result comes from, and a warning where there may be none."""
    if webhook.response_mode != AT_ONCE:
        return "response", ""
    if webhook.tells_execution:
        return "execution", ""
    if webhook.calls_back:
        return "callback", ""
    return "response", (
        "it answers at once, so Claude learns only that it started: respond when the last node "
        "finishes, or with the execution's id"
    )

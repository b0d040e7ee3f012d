"""What workflows and hooks say of themselves: where they are, and what they do to the world."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from bridge.authoring.checking.approving import idle_approval, unasked_approval
from bridge.authoring.checking.rules import (
    ADDRESS_OF_TEST,
    ADDRESS_PARAMETER,
    HOOK_UNDESCRIBED,
    TOOL_MISANNOTATED,
    TOOL_UNANNOTATED,
)
from bridge.configuration.documents import Place
from bridge.configuration.findings import Finding, Rule
from bridge.configuration.raw import entries, mapping, text, truth
from bridge.configuration.server_files import ServerFile

TEST_PATHS = {"webhook-test": "webhook", "form-test": "form", "mcp-test": "mcp"}
"""Where n8n's editor listens for one request, and where published workflows listen in its place."""

_CHANGING = frozenset({"PUT", "PATCH", "DELETE"})


def unsound_workflows(file: ServerFile) -> Iterator[Finding]:
    """Find addresses that will not work, annotations that say too little, idle approvals."""
    for name, workflow in entries(file.filled, "workflows"):
        found = (
            *_of_address(workflow),
            *_of_annotations(workflow),
            *idle_approval(workflow),
            *unasked_approval(name, workflow, mapping(file.filled.get("hooks"))),
        )
        for rule, place, predicate in found:
            yield file.document.finding(rule, ("workflows", name, *place), predicate)
    for name, hook in entries(file.filled, "hooks"):
        if not text(hook.get("description")).strip():
            said = "needs a `description`: by it Claude knows what arrives and what to answer"
            yield file.document.finding(HOOK_UNDESCRIBED, ("hooks", name), said)


def _of_address(workflow: Mapping[str, Any]) -> Iterator[tuple[Rule, Place, str]]:
    try:
        parts = urlsplit(text(workflow.get("url"))).path.split("/")
    except ValueError:
        return
    for part in parts:
        if part in TEST_PATHS:
            said = (
                f"is n8n's test address, which works once, while the editor listens: publish the "
                f"workflow, and write /{TEST_PATHS[part]}/ for /{part}/"
            )
            yield ADDRESS_OF_TEST, ("url",), said
        if part.startswith(":") and len(part) > 1:
            said = (
                f"has the path parameter {part}, which nothing fills in: give the Webhook node a "
                "path without it, and take the value as an argument"
            )
            yield ADDRESS_PARAMETER, ("url",), said


def _of_annotations(workflow: Mapping[str, Any]) -> Iterator[tuple[Rule, Place, str]]:
    said = mapping(workflow.get("annotations"))
    method = text(workflow.get("method"))
    if not {"read_only", "destructive"} & said.keys():
        yield (
            TOOL_UNANNOTATED,
            (),
            "does not say what it does to the world, so clients take it for one that destroys: add "
            "`annotations` with `read_only: true`, or `destructive: true` or `false`",
        )
    if method in _CHANGING and truth(said.get("read_only")):
        doubt = f"does not go with `method: {method}`, which changes something: change one of them"
        yield TOOL_MISANNOTATED, ("annotations", "read_only"), doubt
    if method == "DELETE" and truth(said.get("destructive")) is False:
        doubt = "does not go with `method: DELETE`: change one of them"
        yield TOOL_MISANNOTATED, ("annotations", "destructive"), doubt

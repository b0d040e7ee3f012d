"""`check`: server files, and the tools that they make, against the rules of MCP and of Claude."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from bridge.demo import MADE_UP_BY_UP
from bridge.documents import Document, Place
from bridge.server_files import read_server_files
from bridge.servers import Server, Workflow

# Claude Code cuts what is longer: a server's instructions and a tool's description.
INSTRUCTIONS_BYTES = 2048
DESCRIPTION_CHARS = 4096
TITLE_CHARS = 128  # ours: a title is a line in a list

# Claude's API turns down a whole request for one tool that breaks either of these:
# https://github.com/twilio-labs/mcp/issues/49, https://github.com/anthropics/claude-code/issues/657
_ARGUMENT_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_NEVER_AT_THE_TOP = ("allOf", "anyOf", "oneOf")


def check(path: Path, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Name all that is wrong with a server file, or a folder of them, as `file:line: sentence`."""
    files = read_server_files(path, {**MADE_UP_BY_UP, **environ})
    return files.faults + tuple(
        line
        for name, server in files.servers.items()
        for line in _faults_of_tools(server, files.documents[name])
    )


def _faults_of_tools(server: Server, document: Document) -> Iterator[str]:
    for place, predicate in _server_faults(server):
        yield document.fault(place, predicate)
    for workflow in server.workflows.values():
        for place, predicate in _tool_faults(workflow):
            yield document.fault(("workflows", workflow.name, *place), predicate)


def _server_faults(server: Server) -> Iterator[tuple[Place, str]]:
    if len(server.title) > TITLE_CHARS:
        yield ("title",), f"has more than {TITLE_CHARS} characters: shorten it"
    if len(server.description.encode()) > INSTRUCTIONS_BYTES:
        yield ("description",), f"has more than {INSTRUCTIONS_BYTES} bytes: Claude sees no more"


def _tool_faults(workflow: Workflow) -> Iterator[tuple[Place, str]]:
    if not workflow.description.strip():
        yield (), "needs a `description`: Claude chooses a tool by it"
    if len(workflow.description) > DESCRIPTION_CHARS:
        yield ("description",), f"has more than {DESCRIPTION_CHARS} characters: Claude sees no more"
    if len(workflow.title or "") > TITLE_CHARS:
        yield ("title",), f"has more than {TITLE_CHARS} characters: shorten it"
    for keyword in _NEVER_AT_THE_TOP:
        if keyword in workflow.input:
            yield ("input", keyword), "is not taken by Claude at the top: move it into a property"
    for name in workflow.input.get("properties", {}):
        if not _ARGUMENT_NAME.fullmatch(name):
            yield (
                ("input", "properties", name),
                "is no name that Claude takes for an argument: use letters, digits and _.-, "
                "at most 64",
            )

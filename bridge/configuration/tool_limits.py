"""What Claude and its clients would refuse, drop or cut of a tool, and what may take too long.

It is found in the file's text, not in the servers made of it, so that it is named even while other
faults keep the file from being loaded.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bridge.configuration.documents import Document, Place
from bridge.configuration.findings import Finding, Rule
from bridge.configuration.raw import entries, mapping, text
from bridge.configuration.rules import (
    ARGUMENT_NAME,
    INPUT_COMBINATOR,
    PATTERN_SLOW,
    TEXT_TOO_LONG,
    TOOL_UNDESCRIBED,
)
from bridge.schemas.compile import unbounded_patterns
from bridge.schemas.pool import CHECK_S

# Claude Code cuts what is longer: a server's instructions and a tool's description.
INSTRUCTIONS_BYTES = 2048
DESCRIPTION_CHARS = 4096
TITLE_CHARS = 128  # ours: a title is a line in a list

# Claude's API turns down a whole request for one tool that breaks either of these; Claude Code
# leaves such a tool out without a word, or shows it with other arguments than it has:
# https://github.com/twilio-labs/mcp/issues/49, https://github.com/anthropics/claude-code/issues/657
_ARGUMENT_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_NEVER_AT_THE_TOP = ("allOf", "anyOf", "oneOf")

_SCHEMAS_OF = {"hooks": ("payload", "reply"), "workflows": ("input", "output")}
_UNBOUNDED = (
    "with look-around, a back-reference or a form that few know it may take for ever, so a value "
    f"on which it takes {CHECK_S:g} s could not be checked and is refused; mend the pattern if you "
    "can do without"
)


def faults_of_tools(document: Document, filled: Any) -> Iterator[Finding]:
    """Name what clients would not take of a server.

    `filled` is the document's value with the environment filled in; what in it is not as a server
    file must be is passed over, for the loader names that.
    """
    for rule, place, predicate in _server_faults(mapping(filled)):
        yield document.finding(rule, place, predicate)
    for name, workflow in entries(filled, "workflows"):
        for rule, place, predicate in _tool_faults(workflow):
            yield document.finding(rule, ("workflows", name, *place), predicate)


def _server_faults(server: Mapping[str, Any]) -> Iterator[tuple[Rule, Place, str]]:
    if len(text(server.get("title"))) > TITLE_CHARS:
        yield TEXT_TOO_LONG, ("title",), f"has more than {TITLE_CHARS} characters: shorten it"
    if len(text(server.get("description")).encode()) > INSTRUCTIONS_BYTES:
        said = f"has more than {INSTRUCTIONS_BYTES} bytes: Claude sees no more"
        yield TEXT_TOO_LONG, ("description",), said


def _tool_faults(workflow: Mapping[str, Any]) -> Iterator[tuple[Rule, Place, str]]:
    description = text(workflow.get("description"))
    # A handler's docstring is looked for first, which only a sound file lets be done.
    is_left_to_handler = workflow.get("kind") == "python" and "description" not in workflow
    if not description.strip() and not is_left_to_handler:
        yield TOOL_UNDESCRIBED, (), "needs a `description`: Claude chooses a tool by it"
    if len(description) > DESCRIPTION_CHARS:
        said = f"has more than {DESCRIPTION_CHARS} characters: Claude sees no more"
        yield TEXT_TOO_LONG, ("description",), said
    if len(text(workflow.get("title"))) > TITLE_CHARS:
        yield TEXT_TOO_LONG, ("title",), f"has more than {TITLE_CHARS} characters: shorten it"
    arguments = mapping(workflow.get("input"))
    for keyword in _NEVER_AT_THE_TOP:
        if keyword in arguments:
            said = "is not taken by Claude at the top: move it into a property"
            yield INPUT_COMBINATOR, ("input", keyword), said
    for name in mapping(arguments.get("properties")):
        if not _ARGUMENT_NAME.fullmatch(name):
            yield (
                ARGUMENT_NAME,
                ("input", "properties", name),
                "is no name that Claude takes for an argument, so clients drop the tool: use "
                "letters, digits and _.-, at most 64",
            )


def cautions(document: Document, filled: Any) -> Iterator[Finding]:
    """Name the patterns that may take too long."""
    for kind, keywords in _SCHEMAS_OF.items():
        for name, entry in entries(filled, kind):
            for keyword in keywords:
                schema = mapping(entry.get(keyword))
                for place, pattern in unbounded_patterns(schema):
                    parts = (kind, name, keyword, *place)
                    said = f"holds the pattern {pattern!r}: {_UNBOUNDED}"
                    yield document.finding(PATTERN_SLOW, parts, said)

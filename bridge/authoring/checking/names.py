"""Names of tools as clients see them: together with their server's, or all servers' in one list."""

import re
from collections import defaultdict
from collections.abc import Iterator

from bridge.authoring.checking.rules import TOOL_NAME_LONG, TOOL_SHADOWED
from bridge.authoring.naming import LONGEST_BUILT_IN, NAME_CHARS, whole_name
from bridge.configuration.findings import Finding
from bridge.configuration.raw import entries, mapping, text
from bridge.configuration.server_files import ServerFile, ServerFiles


def clashing_names(files: ServerFiles) -> Iterator[Finding]:
    """Find tools that clients could not call, or would take for one another."""
    for file in files.files:
        yield from _long(file)
    yield from _shadowed(files)


def _long(file: ServerFile) -> Iterator[Finding]:
    server = text(mapping(file.filled).get("name"))
    longest = whole_name(server, LONGEST_BUILT_IN)
    if len(longest) > NAME_CHARS:
        said = (
            f"makes names of tools longer than the {NAME_CHARS} characters that Claude's API takes"
            f" ({longest}): shorten it"
        )
        yield file.document.finding(TOOL_NAME_LONG, ("name",), said)
        return
    for tool, _ in entries(file.filled, "workflows"):
        if len(whole_name(server, tool)) > NAME_CHARS:
            said = (
                f"is {whole_name(server, tool)} in Claude Code, longer than the {NAME_CHARS} "
                "characters that Claude's API takes: shorten the tool's name or the server's"
            )
            yield file.document.finding(TOOL_NAME_LONG, ("workflows", tool), said)


def _shadowed(files: ServerFiles) -> Iterator[Finding]:
    """Find tools of one name, but for capitals and the line between words, in all of the files."""
    known: defaultdict[str, list[tuple[ServerFile, str]]] = defaultdict(list)
    for file in files.files:
        for tool, _ in entries(file.filled, "workflows"):
            known[re.sub("[-_]", "", tool).lower()].append((file, tool))
    for (first, name), *others in known.values():
        for file, tool in others:
            where = "of this server" if file is first else f"of {first.document.path}"
            said = (
                f"has the name of {name} {where} to clients that list the tools of all servers "
                "together, and one of the two is not seen: rename it"
            )
            yield file.document.finding(TOOL_SHADOWED, ("workflows", tool), said)

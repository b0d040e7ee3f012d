"""From what people call a thing to what programs may: names of tools and of variables."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path

from bridge.configuration.fields import BUILT_IN_TOOLS
from bridge.configuration.raw import mapping, text
from bridge.configuration.server_files import read_server_files

NAME_CHARS = 64
"""Claude's API refuses a whole request for one longer name, and Claude Code puts the server's in:
https://github.com/anthropics/claude-code/issues/2326"""
LONGEST_BUILT_IN = max(BUILT_IN_TOOLS, key=len)


_NO_PREFIX = re.compile(r"[0-9]|BRIDGE")
"""No variable begins with a digit, and what begins with BRIDGE could be a setting's name."""


def tool_name(told: str) -> str:
    """Return a name as Python and models like to spell one; empty where no letter of it is left.

    Letters with marks lose them: `Größe` is `grosse`.
    """
    apart = unicodedata.normalize("NFKD", told).casefold()
    plain = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")


def variable_name(told: str) -> str:
    """Return a name as the environment has it, likewise."""
    return tool_name(told).upper()


def prefix_of(server: str) -> str:
    """Return what the variables of a server begin with."""
    upper = variable_name(server)
    return f"SERVER_{upper}" if _NO_PREFIX.match(upper) else upper


def whole_name(server: str, tool: str) -> str:
    """Return what Claude Code calls a tool of a server."""
    return f"mcp__{server}__{tool}"


def servers_in(folder: Path, environ: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    """Yield the name of each server in a folder, sound or not, with its file.

    None where nobody may look.
    """
    try:
        files = read_server_files(folder, environ).files if folder.is_dir() else ()
    except PermissionError:
        return
    for file in files:
        yield text(mapping(file.filled).get("name")), file.document.path

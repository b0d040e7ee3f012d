"""Server files: from a folder of YAML and JSON to servers, with `file:line` for every fault.

What Claude and its clients would refuse, drop or cut of a tool is found in the file's text, not in
the servers made of it, so that it is named even while other faults keep the file from being loaded.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr, ValidationError

from bridge.configuration.credentials import HookAuth, Token
from bridge.configuration.documents import Document, Place, read_document
from bridge.configuration.servers import Server
from bridge.configuration.variables import ENV_PATTERN, FromEnvironment, Variables
from bridge.errors import ConfigurationError, Fault
from bridge.formats.pointers import parts_of
from bridge.schemas.compile import unbounded_patterns
from bridge.schemas.pool import CHECK_S

TO_FOLLOW = ("BRIDGE_N8N_URL", "BRIDGE_N8N_API_KEY")
"""What the executions of workflows are followed with, at n8n's API."""

_SUFFIXES = frozenset({".yaml", ".yml", ".json"})


@dataclass(frozen=True)
class ServerFiles:
    """What some server files hold: the sound servers by name, and every fault of the others.

    `variables` are the names that the files take from the environment, set or not; `warnings` say
    what clients would drop or cut of servers that are sound or not, `cautions` what may take too
    long to check, `short_secrets` which of their secrets can be guessed, `unheeded` which keys do
    nothing yet.
    """

    servers: dict[str, Server]
    variables: frozenset[str]
    faults: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    short_secrets: tuple[str, ...] = ()
    unheeded: tuple[str, ...] = ()


def read_server_files(path: Path, environ: Mapping[str, str]) -> ServerFiles:
    """Read one file, or all server files of a folder; nothing wrong in them is ever raised.

    Every fault is a line `file:line: sentence` that says how to mend it and repeats no secret.
    """
    faults: list[str] = []
    warnings: list[str] = []
    doubts: list[str] = []
    short: list[str] = []
    unheeded: list[str] = []
    servers: dict[str, Server] = {}
    documents: dict[str, Document] = {}
    variables = Variables(environ)
    for document in _documents_at(path, faults):
        raw, unfilled = variables.fill(document.value)
        server, wrong = _read_server(document, variables, raw, unfilled)
        faults += wrong
        warnings += faults_of_tools(document, raw)
        doubts += cautions(document, raw)
        short += short_in_file(document, raw)
        name = document.value.get("name") if isinstance(document.value, dict) else None
        first = documents.setdefault(str(name), document)
        if name is not None and first is not document:
            faults.append(document.fault(["name"], f"is that of {first.path} too: choose another"))
        elif server:
            unheeded += unheeded_keys(document, server)
            servers[server.name] = without_unheeded(server)
    used = frozenset(variables.used)
    told = map(tuple, (faults, warnings, doubts, short, unheeded))
    return ServerFiles(servers, used, *told)


def _documents_at(path: Path, faults: list[str]) -> Iterator[Document]:
    files = sorted(_files_in(path)) if path.is_dir() else [path]
    if not files:
        faults.append(f"{path}: the folder holds no .yaml, .yml or .json file: add one")
    for file in files:
        try:
            yield read_document(file)
        except ConfigurationError as error:
            faults += error.faults


def _files_in(folder: Path) -> Iterator[Path]:
    for file in folder.iterdir():
        if file.suffix in _SUFFIXES and not file.name.startswith("."):
            yield file


def _read_server(
    document: Document, variables: Variables, raw: Any, unfilled: tuple[Fault, ...]
) -> tuple[Server | None, list[str]]:
    faults: list[tuple[tuple[str | int, ...], str]] = [
        (parts_of(fault.pointer), fault.detail) for fault in unfilled
    ]
    server = None
    try:
        server = Server.model_validate(raw, by_name=False)
    except ValidationError as error:
        # What could not be filled in was named already; what else is wrong with it is no news.
        known = {place for place, _ in faults}
        faults += [
            (details["loc"], details["msg"])
            for details in error.errors(include_url=False)
            if document.nearest(details["loc"]) not in known
        ]
    if server:
        faults += _unfollowed(server, variables)
    faults.sort(key=lambda fault: document.line(fault[0]))
    wrong = [document.fault(*fault) for fault in faults]
    return (None if faults else server), wrong


def _unfollowed(
    server: Server, variables: Variables
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Name the workflows whose executions cannot be followed, for want of a way to n8n's API."""
    lacking = [name for name in TO_FOLLOW if not variables.has(name)]
    for workflow in server.workflows.values() if lacking else ():
        if workflow.result == "execution":
            needed = " and ".join(lacking)
            yield (
                ("workflows", workflow.name, "result"),
                f"is `execution`, which needs {needed}: set it",
            )


UNHEEDED = {
    "approve": "does nothing yet: the workflow runs without being approved by anybody",
    "by": "does nothing yet: nobody is asked",
    "per": "does nothing yet: only `concurrency` and `rate` of the whole workflow count",
    "kind": "is not run yet: the tool is left out",
}


def unheeded_keys(document: Document, server: Server) -> Iterator[str]:
    """Name the keys of a server that do nothing yet, as `file:line: sentence`."""
    for name, workflow in server.workflows.items():
        for key in (key for key in UNHEEDED if key in workflow.model_fields_set):
            yield document.fault(("workflows", name, key), UNHEEDED[key])


def without_unheeded(server: Server) -> Server:
    """Return a server without the tools that could not be run."""
    kept = {name: each for name, each in server.workflows.items() if each.kind is None}
    return server.model_copy(update={"workflows": kept})


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


def faults_of_tools(document: Document, filled: Any) -> Iterator[str]:
    """Name what clients would not take of a server, as `file:line: sentence`.

    `filled` is the document's value with the environment filled in; what in it is not as a server
    file must be is passed over, for the loader names that.
    """
    server = _mapping(filled)
    for place, predicate in _server_faults(server):
        yield document.fault(place, predicate)
    for name, workflow in _mapping(server.get("workflows")).items():
        if isinstance(workflow, Mapping):
            for place, predicate in _tool_faults(workflow):
                yield document.fault(("workflows", name, *place), predicate)


def _server_faults(server: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    if len(_text(server.get("title"))) > TITLE_CHARS:
        yield ("title",), f"has more than {TITLE_CHARS} characters: shorten it"
    if len(_text(server.get("description")).encode()) > INSTRUCTIONS_BYTES:
        yield ("description",), f"has more than {INSTRUCTIONS_BYTES} bytes: Claude sees no more"


def _tool_faults(workflow: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    description = _text(workflow.get("description"))
    if not description.strip():
        yield (), "needs a `description`: Claude chooses a tool by it"
    if len(description) > DESCRIPTION_CHARS:
        yield ("description",), f"has more than {DESCRIPTION_CHARS} characters: Claude sees no more"
    if len(_text(workflow.get("title"))) > TITLE_CHARS:
        yield ("title",), f"has more than {TITLE_CHARS} characters: shorten it"
    arguments = _mapping(workflow.get("input"))
    for keyword in _NEVER_AT_THE_TOP:
        if keyword in arguments:
            yield ("input", keyword), "is not taken by Claude at the top: move it into a property"
    for name in _mapping(arguments.get("properties")):
        if not _ARGUMENT_NAME.fullmatch(name):
            yield (
                ("input", "properties", name),
                "is no name that Claude takes for an argument, so clients drop the tool: use "
                "letters, digits and _.-, at most 64",
            )


def cautions(document: Document, filled: Any) -> Iterator[str]:
    """Name the patterns that may take too long, as `file:line: sentence`."""
    server = _mapping(filled)
    for kind, keywords in _SCHEMAS_OF.items():
        for name, entry in _mapping(server.get(kind)).items():
            for keyword in keywords:
                schema = _mapping(_mapping(entry).get(keyword))
                for place, pattern in unbounded_patterns(schema):
                    parts = (kind, name, keyword, *place)
                    yield document.fault(parts, f"holds the pattern {pattern!r}: {_UNBOUNDED}")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


SecretPlace = tuple[str | int, ...]

CHARS_MIN = 16
"""At random, of letters and digits alone, some 95 bits: nobody guesses that over a network."""

TOO_SHORT = (
    f"is a secret of fewer than {CHARS_MIN} characters, which can be guessed: make one with "
    "`openssl rand -hex 32`"
)

_KEYS = frozenset(
    field.alias or name
    for entry in (Token, *get_args(HookAuth))
    for name, field in entry.model_fields.items()
    if field.annotation is SecretStr
)
"""What a server file calls them."""


def is_short(secret: str) -> bool:
    """Report whether a secret can be guessed; one that is not set cannot."""
    return 0 < len(secret.strip()) < CHARS_MIN


def short_in_file(document: Document, filled: Any) -> Iterator[str]:
    """Name the secrets of Claude's tokens and n8n's that are too short, as `file:line: sentence`.

    `filled` is the document's value with the environment filled in; what in it is not as a server
    file must be is passed over. What the bridge proves itself by to n8n is n8n's to judge.
    """
    server = filled if isinstance(filled, Mapping) else {}
    hooks = server.get("hooks")
    entries: list[tuple[SecretPlace, Any]] = [(("tokens",), server.get("tokens"))]
    if isinstance(hooks, Mapping):
        entries += [
            (("hooks", name, "auth"), hook.get("auth"))
            for name, hook in hooks.items()
            if isinstance(hook, Mapping)
        ]
    for place, entry in entries:
        for at in _short(place, entry):
            yield document.fault(at, TOO_SHORT)


def _short(place: SecretPlace, entry: Any) -> Iterator[SecretPlace]:
    if isinstance(entry, Mapping):
        for key, value in entry.items():
            yield from _short((*place, key), value)
    elif isinstance(entry, list):
        for index, value in enumerate(entry):
            yield from _short((*place, index), value)
    elif place[-1] in _KEYS or isinstance(place[-1], int):
        text = entry.value if isinstance(entry, FromEnvironment) else entry
        # What the environment lacks stands there as it was written, and is a fault by itself.
        if isinstance(text, str) and not re.match(ENV_PATTERN, text) and is_short(text):
            yield place

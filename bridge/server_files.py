"""Server files: from a folder of YAML and JSON to servers, with `file:line` for every fault."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bridge.documents import Document, read_document
from bridge.errors import ConfigurationError, Fault
from bridge.pointers import parts_of
from bridge.secret_rules import short_in_file
from bridge.servers import Server
from bridge.tool_rules import cautions, faults_of_tools
from bridge.unheeded import unheeded_keys, without_unheeded
from bridge.variables import Variables

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

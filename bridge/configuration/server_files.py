"""Server files: from a folder of YAML and JSON to servers, with a place for every fault."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bridge.configuration.documents import Document, UnreadableError, read_document
from bridge.configuration.entries import read_entry
from bridge.configuration.findings import Finding, Rule, at
from bridge.configuration.rules import (
    EXECUTION_UNREACHABLE,
    FILE_UNREADABLE,
    FOLDER_EMPTY,
    NAME_TAKEN,
    OF_TOOLS,
    PATTERN_SLOW,
    SECRET_SHORT,
    STOPPING,
)
from bridge.configuration.servers import Server
from bridge.configuration.short_secrets import short_in_file
from bridge.configuration.tool_limits import cautions, faults_of_tools
from bridge.configuration.variables import Variables
from bridge.errors import Fault

TO_FOLLOW = ("BRIDGE_N8N_URL", "BRIDGE_N8N_API_KEY")
"""What the executions of workflows are followed with, at n8n's API."""

_SUFFIXES = frozenset({".yaml", ".yml", ".json"})


@dataclass(frozen=True)
class ServerFile:
    """One file that could be read: its text, its value with the environment filled in, its server.

    There is no server where anything of the file keeps it from being served.
    """

    document: Document
    filled: Any
    server: Server | None


@dataclass(frozen=True)
class ServerFiles:
    """What some server files hold: the sound servers by name, and all that is wrong with them.

    `variables` are the names that the files take from the environment, set or not; `files` those
    that could be read, sound or not. `secrets` are the values that no sentence repeats, each with
    what stands in its place.
    """

    servers: dict[str, Server]
    variables: frozenset[str]
    findings: tuple[Finding, ...]
    files: tuple[ServerFile, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def faults(self) -> tuple[str, ...]:
        """Return what no start is made with, as `file:line: sentence`."""
        return self._named(STOPPING)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what clients would drop or cut of servers that are sound or not, likewise."""
        return self._named(OF_TOOLS)

    @property
    def cautions(self) -> tuple[str, ...]:
        """Return what may take too long to check, likewise."""
        return self._named([PATTERN_SLOW])

    @property
    def short_secrets(self) -> tuple[str, ...]:
        """Return which of their secrets can be guessed, likewise."""
        return self._named([SECRET_SHORT])

    def _named(self, rules: Iterable[Rule]) -> tuple[str, ...]:
        chosen = frozenset(rules)
        return tuple(str(finding) for finding in self.findings if finding.rule in chosen)


def read_server_files(
    path: Path, environ: Mapping[str, str], draft: str | None = None
) -> ServerFiles:
    """Read one file, or all server files of a folder; nothing wrong in them is ever raised.

    A `draft` is read in place of the file that it is to become. Every finding says how to mend it
    and repeats no secret.
    """
    findings: list[Finding] = []
    servers: dict[str, Server] = {}
    documents: dict[str, Document] = {}
    files: list[ServerFile] = []
    variables = Variables(environ)
    for document in _documents_at(path, draft, findings):
        file, wrong = _read_file(document, variables, environ)
        server, filled = file.server, file.filled
        findings += wrong
        findings += faults_of_tools(document, filled)
        findings += cautions(document, filled)
        findings += short_in_file(document, filled)
        name = document.value.get("name") if isinstance(document.value, dict) else None
        first = documents.setdefault(str(name), document)
        if name is not None and first is not document:
            said = f"is that of {first.path} too: choose another"
            findings.append(document.finding(NAME_TAKEN, ["name"], said))
            server = None
        if server:
            servers[server.name] = server
        files.append(ServerFile(document, filled, server))
    secrets = variables.secrets
    told = tuple(each.without(secrets) for each in findings)
    return ServerFiles(servers, frozenset(variables.used), told, tuple(files), secrets)


def variables_named(path: Path, environ: Mapping[str, str]) -> frozenset[str]:
    """Return the names that files take from the environment, set or not, without reading more."""
    variables = Variables(environ)
    for document in _documents_at(path, None, []):
        variables.fill(document.value)
    return frozenset(variables.used)


def _documents_at(path: Path, draft: str | None, findings: list[Finding]) -> Iterator[Document]:
    try:
        files = sorted(_files_in(path)) if path.is_dir() else [path]
    except OSError as error:
        said = f"the folder cannot be read: {error.strerror}; let this user read it"
        findings.append(at(FILE_UNREADABLE, said, path))
        return
    if not files:
        said = "the folder holds no .yaml, .yml or .json file: add one"
        findings.append(at(FOLDER_EMPTY, said, path))
    for file in files:
        try:
            yield read_document(file, draft)
        except UnreadableError as error:
            findings += error.findings


def _files_in(folder: Path) -> Iterator[Path]:
    for file in folder.iterdir():
        # To read a pipe that lies in a folder would wait for whoever writes into it.
        if file.suffix in _SUFFIXES and not file.name.startswith(".") and not file.is_fifo():
            yield file


def _read_file(
    document: Document, variables: Variables, environ: Mapping[str, str]
) -> tuple[ServerFile, list[Finding]]:
    filled, unfilled = variables.fill(document.value)
    server, wrong = _read_server(document, variables, filled, unfilled)
    if server and server.handlers:
        # Loaded for those that have any: most servers have none.
        from bridge.configuration.handler_descriptions import describe_handlers

        handlers = describe_handlers(document, server, filled, environ)
        filled, wrong = handlers.filled, list(handlers.findings)
        if not wrong:
            server, wrong = _read_server(document, variables, filled, unfilled)
        server = handlers.of_process(server) if server and not wrong else None
    return ServerFile(document, filled, server), wrong


def _read_server(
    document: Document, variables: Variables, filled: Any, unfilled: tuple[Fault, ...]
) -> tuple[Server | None, list[Finding]]:
    server, findings = read_entry(Server, document, filled, unfilled)
    if server:
        findings += _unfollowed(document, server, variables)
    findings.sort(key=lambda finding: finding.line or 0)
    return (None if findings else server), findings


def _unfollowed(document: Document, server: Server, variables: Variables) -> Iterator[Finding]:
    """Name the workflows whose executions cannot be followed, for want of a way to n8n's API."""
    lacking = [name for name in TO_FOLLOW if not variables.has(name)]
    for workflow in server.workflows.values() if lacking else ():
        if workflow.result == "execution":
            needed = " and ".join(lacking)
            place = ("workflows", workflow.name, "result")
            said = f"is `execution`, which needs {needed}: set it"
            yield document.finding(EXECUTION_UNREACHABLE, place, said)

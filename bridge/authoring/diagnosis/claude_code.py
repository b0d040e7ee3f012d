"""Claude Code's own configuration: whether it has this bridge, where, and with which token.

Source: code.claude.com, "MCP installation scopes" and "Environment variable expansion".
"""

import contextlib
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bridge.auth.authentication import bearer, owner_of
from bridge.authoring.diagnosis.records import has_tokens_on_record, is_on_record
from bridge.authoring.diagnosis.setup import Setup
from bridge.configuration.operators_server import OPERATORS, operators_server
from bridge.configuration.servers import Server
from bridge.diagnosis.observations import (
    Observation,
    doubtful,
    passed_over,
    right,
    wrong,
)
from bridge.formats.addresses import DEFAULT_PORTS, is_loopback

TURNED_OFF = "disabledMcpServers"
OF_USER, OF_FOLDER = ".claude.json", ".mcp.json"
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_PATH = re.compile(r"(?:/[^/]+)*?/(mcp|mcp-2025|sse)/([a-z0-9_-]+)(?:/clients/[^/]+)?/?")
_STREAMABLE = ("mcp", "mcp-2025")


@dataclass(frozen=True)
class AddedServer:
    """One MCP server that Claude Code knows: where it says so, its name there, and what it says."""

    place: str
    name: str
    entry: Mapping[str, Any]

    @property
    def subject(self) -> str:
        """Name it for people."""
        return f"{self.name} in {self.place}"

    @property
    def url(self) -> str:
        """The address as it stands there."""
        return str(self.entry.get("url", ""))


async def check_claude_code(setup: Setup) -> AsyncIterator[Observation]:
    """Look for this bridge in Claude Code's configuration, and judge each entry of it."""
    added: list[AddedServer] = []
    is_known = False
    project = project_of(setup.folder)
    files = _of_folders(setup.folder) | {_of_user(setup.home): setup.home / OF_USER}
    for place, file in files.items():
        try:
            added += _added_in(file, place, project)
        except (OSError, ValueError, TypeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no JSON object"
            is_known = True
            yield wrong("claude.unreadable", place, f"cannot be read: {why}", "mend that file")
    if not any(file.exists() for file in files.values()):
        yield passed_over("claude.none", "Claude Code", "it has no configuration on this machine")
        return
    ours = [each for each in added if _leads_here(setup, each)]
    turned_off = _turned_off(setup.home / OF_USER, project)
    for each in ours:
        yield _of_off(each) if each.name in turned_off else await _judged(setup, each)
    reached = {_place_of(setup, each)[1] for each in ours}
    elsewhere = {
        name: each
        for each in added
        if (name := _place_of(setup, each)[1]) in setup.servers and name not in reached
    }
    for name, each in elsewhere.items():
        yield _elsewhere(setup, each, name)
    if setup.servers and not (is_known or ours or elsewhere):
        yield _missing(setup, next(iter(setup.servers)))


def project_of(folder: Path) -> Path:
    """Return the folder by which Claude Code keeps what is added for a folder: its repository's.

    Of a worktree it is the repository that this belongs to.
    Source: Claude Code 2.1.330, as `claude mcp add` writes it.
    """
    for each in (folder, *folder.parents):
        git = each / ".git"
        if git.is_file():
            return _repository_of(git) or each
        if git.exists():
            return each
    return folder


def _repository_of(link: Path) -> Path | None:
    """Return the repository that a worktree's `.git` names; a submodule's names none."""
    with contextlib.suppress(OSError, ValueError):
        named = link.read_text().removeprefix("gitdir:").strip()
        inside = (link.parent / named).resolve()
        return (inside / (inside / "commondir").read_text().strip()).resolve().parent
    return None


def _of_folders(folder: Path) -> dict[str, Path]:
    """Return where servers are added for a folder and those that it lies in, nearest first."""
    above = (Path(*[".."] * up, OF_FOLDER) for up in range(len(folder.parts)))
    return {str(file): folder / file for file in above}


def _of_user(home: Path) -> str:
    return f"~/{OF_USER}" if home == Path.home() else str(home / OF_USER)


def _added_in(file: Path, place: str, project: Path) -> Iterator[AddedServer]:
    """Return what a file adds: for everybody in its folder, or for a user, in general and here.

    Raises:
        ValueError, TypeError: it is no JSON object.
    """
    try:
        read = json.loads(file.read_bytes())
    except FileNotFoundError:
        return
    if not isinstance(read, dict):
        raise TypeError("no object")
    yield from _entries(place, read)
    projects = read.get("projects")
    here = projects.get(str(project)) if isinstance(projects, dict) else None
    yield from _entries(f"{place}, this folder", here)


def _turned_off(file: Path, project: Path) -> frozenset[str]:
    """Return the names of servers that somebody has turned off here."""
    with contextlib.suppress(OSError, ValueError, TypeError, LookupError):
        return frozenset(json.loads(file.read_bytes())["projects"][str(project)][TURNED_OFF])
    return frozenset()


def _of_off(added: AddedServer) -> Observation:
    sentence, remedy = "is turned off in this folder", "turn it on: type /mcp in Claude Code"
    return doubtful("claude.off", added.subject, sentence, remedy)


def _entries(place: str, holder: object) -> Iterator[AddedServer]:
    servers = holder.get("mcpServers") if isinstance(holder, dict) else None
    for name, entry in servers.items() if isinstance(servers, dict) else ():
        if isinstance(entry, dict):
            yield AddedServer(place, str(name), entry)


def _place_of(setup: Setup, added: AddedServer) -> tuple[str, str]:
    """Return the wire and the server that an entry names; nothing where it is no bridge's."""
    url, _ = _filled(added.url, setup.environ)
    found = _PATH.fullmatch(urlsplit(url).path)
    if found:
        return found[1], found[2]
    arguments = added.entry.get("args")
    match arguments if isinstance(arguments, list) else ():
        case [*_, "stdio", str(name)] | [*_, "stdio", str(name), "--channel"]:
            return "stdio", name
    return "", ""


def _leads_here(setup: Setup, added: AddedServer) -> bool:
    wire, _ = _place_of(setup, added)
    if wire == "stdio":
        return True
    url, _ = _filled(added.url, setup.environ)
    known = [setup.local_url, setup.settings.public_url, setup.public_url]
    return bool(wire) and _origin(url) in {_origin(each) for each in known if each}


def _origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port; all names of this machine are one."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
    return parts.scheme, "localhost" if is_loopback(host) else host, port


async def _judged(setup: Setup, added: AddedServer) -> Observation:
    wire, name = _place_of(setup, added)
    server = {**setup.servers, **operators_server(setup.settings)}.get(name)
    if server is None:
        known = ", ".join(setup.servers) or "none"
        sentence = f"leads to the server {name}, which this bridge has not"
        return wrong("claude.server", added.subject, sentence, f"name one of these: {known}")
    if wire == "stdio":
        return right("claude", added.subject, f"starts the server {name} by itself")
    if added.entry.get("type") == "sse" and wire in _STREAMABLE:
        return wrong(
            "claude.type",
            added.subject,
            f"is of type sse, but {added.url} is for type http",
            'set "type": "http"',
        )
    if fault := await _fault_of_token(setup, added, server):
        return fault
    return right("claude", added.subject, f"leads to {added.url}, and its token fits")


async def _fault_of_token(setup: Setup, added: AddedServer, server: Server) -> Observation | None:
    """Judge the token that an entry sends; it is never repeated."""
    headers = added.entry.get("headers")
    given = headers if isinstance(headers, dict) else {}
    sent = {str(key).lower(): str(value) for key, value in given.items()}
    value, unset = _filled(sent.get("authorization", ""), setup.environ)
    if unset:
        names = " and ".join(unset)
        remedy = f"set {names} where Claude Code is started"
        return doubtful("claude.variable", added.subject, f"needs {names}, unset here", remedy)
    if added.entry.get("headersHelper") or setup.settings.oauth_issuer:
        return None
    token = bearer(value)
    if not token:
        return await _fault_of_none(setup, added, server)
    if owner_of(server, token) or not await _is_guarded(setup, server):
        return None  # of an open server nobody looks at it
    return await _fault_beside_file(setup, added, server, token)


async def _fault_beside_file(
    setup: Setup, added: AddedServer, server: Server, token: str
) -> Observation | None:
    """Judge a token that the server's file does not hold: it may be on record."""
    is_known = await is_on_record(setup, server.name, token)
    if is_known:
        return None
    if is_known is None:
        return doubtful(
            "claude.token_unknown",
            added.subject,
            f"sends a token that is not in the file of the server {server.name}, and may be on "
            "record",
            "let `doctor` reach Redis",
        )
    made = f"send one of its tokens, or make one with `n8n-bridge tokens add {server.name} NAME`"
    return wrong(
        "claude.token",
        added.subject,
        f"sends a token that is none of the server {server.name}'s",
        "send that of BRIDGE_OPERATOR_TOKEN" if server.name == OPERATORS else made,
    )


async def _is_guarded(setup: Setup, server: Server) -> bool:
    return bool(server.tokens) or await has_tokens_on_record(setup, server.name) is not False


async def _fault_of_none(setup: Setup, added: AddedServer, server: Server) -> Observation | None:
    if not server.tokens or setup.settings.oauth:
        return None
    return wrong(
        "claude.no_token",
        added.subject,
        f"sends no token, but the server {server.name} wants one",
        'add "headers": {"Authorization": "Bearer …"}',
    )


def _filled(text: str, environ: Mapping[str, str]) -> tuple[str, list[str]]:
    """Put variables in, as Claude Code does; returns the names of those that are not set, too."""
    unset = [
        name
        for name, default in _VARIABLE.findall(text)
        if name not in environ and f"${{{name}:-" not in text
    ]
    return _VARIABLE.sub(lambda found: environ.get(found[1], found[2] or ""), text), unset


def _elsewhere(setup: Setup, added: AddedServer, name: str) -> Observation:
    address = f"{_base(setup)}/mcp/{name}"
    return doubtful(
        "claude.address",
        added.subject,
        f"leads to {added.url}, but the server {name} of this bridge is at {address}",
        f"set its url to {address}, unless another bridge is meant",
    )


def _missing(setup: Setup, name: str) -> Observation:
    address = f"{_base(setup)}/mcp/{name}"
    return doubtful(
        "claude.missing",
        "Claude Code",
        "it knows no server of this bridge",
        f"claude mcp add --scope user --transport http {name} {address} "
        '--header "Authorization: Bearer TOKEN"',
    )


def _base(setup: Setup) -> str:
    return setup.settings.public_url or setup.local_url

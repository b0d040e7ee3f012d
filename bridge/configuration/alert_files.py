"""The file of alerts: read like a server file, and held to the servers that there are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.configuration.alerts import (
    Alerts,
    DeadEvents,
    FailedCalls,
    OldestQueuedEvent,
)
from bridge.configuration.documents import Document, UnreadableError, read_document
from bridge.configuration.entries import read_entry
from bridge.configuration.findings import Finding, at
from bridge.configuration.raw import entries, mapping, text
from bridge.configuration.rules import FILE_UNREADABLE, PLACE_UNKNOWN
from bridge.configuration.server_files import ServerFiles
from bridge.configuration.variables import Variables
from bridge.configuration.wording import suggestion

SETTING = "BRIDGE_ALERTS"

_NOT_THERE = f"the file cannot be read: it is not there; make it, or name another in {SETTING}"


@dataclass(frozen=True)
class AlertFile:
    """What the file of alerts holds, if one is named; no `alerts` where anything is wrong in it.

    `variables` are the names that it takes from the environment, set or not. `document` and
    `filled` are there where it could be read.
    """

    alerts: Alerts | None = None
    variables: frozenset[str] = frozenset()
    findings: tuple[Finding, ...] = ()
    document: Document | None = None
    filled: Any = None

    @property
    def faults(self) -> tuple[str, ...]:
        """Return what no start is made with, as `file:line: sentence`."""
        return tuple(map(str, self.findings))


def alert_file_of(environ: Mapping[str, str]) -> Path | None:
    """Return where the file of alerts is, if one is named."""
    named = environ.get(SETTING, "").strip()
    return Path(named).expanduser() if named else None


def read_alert_file(environ: Mapping[str, str], *files: ServerFiles) -> AlertFile:
    """Read the file that BRIDGE_ALERTS names; nothing wrong in it is ever raised.

    Its rules may name what is in any of the server files, sound or not.
    """
    path = alert_file_of(environ)
    if path is None:
        return AlertFile()
    if not path.exists():
        return AlertFile(findings=(at(FILE_UNREADABLE, _NOT_THERE, path, 1),))
    try:
        document = read_document(path)
    except UnreadableError as error:
        return AlertFile(findings=error.findings)
    variables = Variables(environ)
    filled, unfilled = variables.fill(document.value)
    alerts, findings = read_entry(Alerts, document, filled, unfilled)
    if alerts:
        findings += _unknown_places(document, alerts, _parts_of(files))
    findings.sort(key=lambda finding: finding.line or 0)
    return AlertFile(
        None if findings else alerts,
        frozenset(variables.used),
        tuple(each.without(variables.secrets) for each in findings),
        document,
        filled,
    )


_KINDS = ("hooks", "workflows")
_Parts = Mapping[str, Mapping[str, list[str]]]


def _parts_of(files: tuple[ServerFiles, ...]) -> _Parts:
    """Name the hooks and workflows of each server."""
    return {
        text(mapping(file.filled).get("name")): {
            kind: [name for name, _ in entries(file.filled, kind)] for kind in _KINDS
        }
        for read in files
        for file in read.files
    }


def _unknown_places(document: Document, alerts: Alerts, parts: _Parts) -> Iterator[Finding]:
    for name, rule in alerts.alerts.items():
        condition = rule.when.condition
        if not isinstance(condition, OldestQueuedEvent | DeadEvents | FailedCalls):
            continue
        kind = "workflows" if isinstance(condition, FailedCalls) else "hooks"
        if condition.on and (said := _unknown(condition.on, kind, parts)):
            place = ("alerts", name, "when", rule.when.kind, "on")
            yield document.finding(PLACE_UNKNOWN, place, said)


def _unknown(on: str, kind: str, parts: _Parts) -> str | None:
    server, _, part = on.partition("/")
    if server not in parts:
        return f"names no server that there is; {suggestion(server, parts)}"
    known = parts[server][kind]
    if part and part not in known:
        which = suggestion(part, known) if known else "it has none"
        return f"names none of the {kind} of {server}; {which}"
    return None

"""All that is wrong with server files and the settings beside them, or may be regretted."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from bridge.authoring.checking.exposure import exposed_secrets, exposed_to_receivers
from bridge.authoring.checking.keywords import unknown_keywords
from bridge.authoring.checking.names import clashing_names
from bridge.authoring.checking.rules import BEYOND_STARTS, ELSEWHERE
from bridge.authoring.checking.schemas import unsound_schemas
from bridge.authoring.checking.tokens import Costs, costly_tools, costs_of
from bridge.authoring.checking.workflows import unsound_workflows
from bridge.configuration.alert_files import AlertFile, read_alert_file
from bridge.configuration.demo import as_up_sees_to
from bridge.configuration.findings import Finding, Severity, anywhere
from bridge.configuration.load import faults_between, is_reachable_by, short_in_settings
from bridge.configuration.rules import OF_STARTS, SECRET_SHORT, SETTING_WRONG
from bridge.configuration.server_files import (
    TO_FOLLOW,
    ServerFile,
    ServerFiles,
    read_server_files,
    variables_named,
)
from bridge.configuration.settings import Settings, servers_dir_of
from bridge.errors import ConfigurationError

NOT_COUNTED = Costs("nothing", ())

RULES = (*OF_STARTS, *BEYOND_STARTS, *ELSEWHERE)
"""Every rule of which a finding may be; ids are never given to another one."""

OF_A_FILE: tuple[Callable[[ServerFile], Iterator[Finding]], ...] = (
    exposed_secrets,
    unsound_workflows,
    unsound_schemas,
    unknown_keywords,
)
"""What is looked for in each file by itself, sound or not."""

OF_ALL_FILES: tuple[Callable[[ServerFiles], Iterator[Finding]], ...] = (clashing_names,)
"""What is looked for in all of them together."""


@dataclass(frozen=True)
class Report:
    """What `check` found in server files, in the files' order, and what their tools cost.

    `compared` counts what was compared with them, where that was asked for: values on record, and
    workflows in n8n.
    """

    files: ServerFiles
    findings: tuple[Finding, ...]
    costs: Costs
    compared: Mapping[str, int] = field(default_factory=dict)

    def with_more(self, findings: Iterable[Finding], compared: Mapping[str, int]) -> Self:
        """Return the report with what was found elsewhere of the same files."""
        found = _ordered((*self.findings, *findings))
        return replace(self, findings=found, compared={**self.compared, **compared})


def with_all_set(path: Path, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment with a made-up value for each variable that files name and it lacks.

    So files can be checked where their secrets are not at hand. No two secrets are the same.
    """
    seen = as_up_sees_to(environ)
    named = variables_named(path, seen) | read_alert_file(seen).variables | frozenset(TO_FOLLOW)
    lacking = [name for name in named if not seen.get(name, "").strip()]
    return {**environ, **{name: _made_up(name) for name in lacking}}


def _made_up(name: str) -> str:
    is_address = name.endswith("_URL")
    return "http://127.0.0.1" if is_address else hashlib.sha256(name.encode()).hexdigest()[:32]


def check(path: Path, environ: Mapping[str, str]) -> tuple[Finding, ...]:
    """Find all that is wrong with a server file, or a folder of them, in the files' order."""
    return report(path, environ).findings


def report(path: Path, environ: Mapping[str, str], *, counts_tokens: bool = True) -> Report:
    """Find all that is wrong, and count what the tools of sound servers cost, if that is wanted.

    What is wrong with the settings comes first, for it stops every start as well. The file of
    alerts, which belongs to no one of the server files, is looked at with each.
    """
    seen = as_up_sees_to(environ)
    files = read_server_files(path, seen)
    usual = servers_dir_of(environ)
    beside = files if path == usual else read_server_files(usual, environ)
    alerts = read_alert_file(seen, files, beside)
    costs = costs_of(files.servers.values()) if counts_tokens else NOT_COUNTED
    known = files.variables | beside.variables | alerts.variables
    found = [*_of_settings(environ, known), *files.findings, *_of_alerts(alerts)]
    found += costly_tools(files, costs) if counts_tokens else ()
    found += [each for find in OF_A_FILE for file in files.files for each in find(file)]
    found += [each for find in OF_ALL_FILES for each in find(files)]
    if is_reachable_by(environ):
        found = [_fatal(each) if each.rule is SECRET_SHORT else each for each in found]
    found = [each.without(files.secrets) for each in found]
    return Report(files, _ordered(found), costs)


def errors(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Return the findings that make `check` fail."""
    return tuple(each for each in findings if each.severity is Severity.ERROR)


def _of_settings(environ: Mapping[str, str], known: frozenset[str]) -> Iterator[Finding]:
    """Find what is wrong with the settings beside the variables that files use."""
    try:
        settings = Settings.from_environ(environ, known)
    except ConfigurationError as error:
        yield from (anywhere(SETTING_WRONG, fault) for fault in error.faults)
    else:
        yield from (anywhere(SETTING_WRONG, fault) for fault in faults_between(settings))
    yield from (anywhere(SECRET_SHORT, short) for short in short_in_settings(environ))


def _of_alerts(alerts: AlertFile) -> Iterator[Finding]:
    yield from alerts.findings
    if alerts.document:
        yield from exposed_to_receivers(alerts.document, alerts.filled)


def _fatal(finding: Finding) -> Finding:
    return replace(finding, severity=Severity.ERROR)


def _ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(dict.fromkeys(findings), key=_place))


def _place(finding: Finding) -> tuple[str, int, int]:
    return str(finding.path or ""), finding.line or 0, finding.column or 0

"""Findings as people, programs, code scanning and GitHub's annotations read them."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bridge import __version__
from bridge.authoring.checking.check import RULES, Report
from bridge.configuration.findings import Finding, Rule, Severity, printable

HOME = "https://github.com/n8n-claude-bridge/n8n-claude-bridge"
SETTINGS_FILE = ".env"
"""Where settings stand, for programs that want a file for each finding."""

_GITHUB = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}

Row = Mapping[str, Any]


def text_line(finding: Finding) -> str:
    """Format a finding as `file:line:column: sentence`, as compilers do."""
    numbers = [str(number) for number in (finding.line, finding.column) if number is not None]
    place = ":".join([printable(str(finding.path)), *numbers]) + ": " if finding.path else ""
    mark = "" if finding.severity is Severity.ERROR else f" (a {finding.severity})"
    return f"{place}{finding.sentence}{mark}"


def row_of(finding: Finding) -> Row:
    """Return a finding as JSON holds it; what it has not is null."""
    return {
        "rule": finding.rule.id,
        "severity": finding.severity,
        "file": None if finding.path is None else printable(str(finding.path)),
        "line": finding.line,
        "column": finding.column,
        "sentence": finding.sentence,
        "mend": finding.rule.mend,
    }


def github_line(finding: Finding) -> str:
    """Format a finding as a workflow command, which GitHub shows beside the line.

    Source: https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
    """
    named = {
        "file": None if finding.path is None else _relative(finding.path),
        "line": finding.line,
        "col": finding.column,
        "title": finding.rule.id,
    }
    properties = ",".join(
        f"{name}={_property(str(value))}" for name, value in named.items() if value is not None
    )
    return f"::{_GITHUB[finding.severity]} {properties}::{_data(finding.sentence)}"


def sarif(findings: Sequence[Finding], rules: Sequence[Rule]) -> Mapping[str, Any]:
    """Return findings as a log of SARIF 2.1.0, with every rule that there is.

    Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
    """
    driver = {
        "name": "n8n-bridge check",
        "version": __version__,
        "informationUri": HOME,
        "rules": [_descriptor(rule) for rule in rules],
    }
    results = [_result(finding, rules.index(finding.rule)) for finding in findings]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    }


def _descriptor(rule: Rule) -> Row:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.summary},
        "help": {"text": rule.mend},
        "defaultConfiguration": {"level": rule.severity},
    }


def _result(finding: Finding, number: int) -> Row:
    # GitHub shows no result without a line: https://github.com/microsoft/sarif-sdk, rule GH1003.
    region = {"startLine": finding.line or 1}
    if finding.column is not None:
        region["startColumn"] = finding.column
    uri = _uri(finding.path or Path(SETTINGS_FILE))
    place = {"artifactLocation": {"uri": uri}, "region": region}
    return {
        "ruleId": finding.rule.id,
        "ruleIndex": number,
        "level": finding.severity,
        "message": {"text": finding.sentence},
        "locations": [{"physicalLocation": place}],
    }


def _relative(path: Path) -> str:
    """Return a path as the folder of the work holds it, if it lies there."""
    whole = path.absolute()
    here = Path.cwd()
    shown = whole.relative_to(here) if whole.is_relative_to(here) else whole
    return printable(shown.as_posix())


def _uri(path: Path) -> str:
    whole = path.absolute()
    is_here = whole.is_relative_to(Path.cwd())
    uri = whole.as_uri()
    return uri.removeprefix(f"{Path.cwd().as_uri().rstrip('/')}/") if is_here else uri


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _text(report: Report) -> Iterator[str]:
    return map(text_line, report.findings)


def _json(report: Report) -> Iterator[str]:
    costs = {
        "counted_by": report.costs.counted_by,
        "servers": [
            {
                "server": cost.server,
                "tokens": cost.tokens,
                "built_in": cost.built_in,
                "workflows": dict(cost.workflows),
            }
            for cost in report.costs.servers
        ],
    }
    told = {"findings": [row_of(each) for each in report.findings], "tokens": costs}
    yield _document(told | ({"compared": report.compared} if report.compared else {}))


def _sarif(report: Report) -> Iterator[str]:
    yield _document(sarif(report.findings, RULES))


def _github(report: Report) -> Iterator[str]:
    return map(github_line, report.findings)


def _document(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


FORMATS: Mapping[str, Callable[[Report], Iterator[str]]] = {
    "text": _text,
    "json": _json,
    "sarif": _sarif,
    "github": _github,
}

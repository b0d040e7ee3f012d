"""The corpus of broken server files: every fault is named where it is, with how to mend it."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.authoring.checking.check import RULES, check, errors
from bridge.authoring.checking.formats import text_line
from bridge.authoring.checking.rules import ELSEWHERE
from bridge.configuration.findings import Severity
from tests.check.cases import CORPUS, ENVIRON, cases, expected, found_in

ROOT = Path(__file__).parents[2]
SOUND = """
name: support
title: Support
description: Tickets that n8n wants answered.
tokens: [env:TOKEN]
hooks:
  ticket:
    description: A customer opened a ticket. Answer it.
    auth: [{bearer: env:HOOK_TOKEN}, {basic: {user: n8n, password: env:HOOK_TOKEN}}]
    reply: {type: object, properties: {answer: {type: string}}, required: [answer]}
workflows:
  find_customer:
    description: Looks a customer up.
    url: ${BRIDGE_N8N_URL}/webhook/find-customer?region=eu&key=${N8N_KEY}
    auth: {header: {name: X-Key, value: env:N8N_KEY}}
    headers: {X-Tenant: acme, CF-Access-Client-Secret: env:N8N_KEY, X-Token: "${N8N_KEY}"}
    method: POST
    input:
      type: object
      properties:
        email: {$ref: '#/$defs/email'}
        since: {type: string, format: date, default: '2026-01-01'}
        address:
          type: object
          properties: {city: {type: string}, lines: {type: array, items: {type: string}}}
        by: {anyOf: [{required: [email]}, {required: [name]}]}
      required: [email]
      $defs: {email: {type: string, description: The address that they write from.}}
    output: {type: object, properties: {id: {type: string}}, required: [id, more]}
    annotations: {read_only: true}
"""


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_all_that_is_wrong_is_named_and_nothing_else(case: Path) -> None:
    found = found_in(case)
    assert found
    told = "".join(f"{text_line(finding)}\n" for finding in found)
    assert told == expected(case).read_text("utf-8")


def test_the_corpus_is_large_and_every_rule_is_in_it() -> None:
    assert len(cases()) >= 80
    assert {finding.rule.id for case in cases() for finding in found_in(case)} == {
        rule.id for rule in RULES if rule not in ELSEWHERE
    }
    assert set(CORPUS.glob("*.txt")) == {expected(case) for case in cases()}


def test_nothing_is_found_in_a_sound_file(tmp_path: Path) -> None:
    (tmp_path / "support.yaml").write_text(SOUND)
    assert check(tmp_path, ENVIRON) == ()


def test_nothing_is_found_in_what_ships() -> None:
    secrets = {
        f"TEMPLATES_{name}": f"YS1zZWNyZXQtb2YtdGVtcGxhdGVz{number}AA="
        for number, name in enumerate(
            ("TOKEN", "APPROVER_TOKEN", "HOOK_TOKEN", "TOOL_TOKEN", "SIGNING_SECRET")
        )
    }
    environ = ENVIRON | secrets | {"BRIDGE_N8N_API_KEY": "key"}
    for file in ("servers/demo.yaml", "n8n/templates.yaml"):
        assert check(ROOT / "config" / file, environ) == ()


def test_warnings_and_notes_are_no_faults() -> None:
    severities = {case.name: found_in(case) for case in cases()}
    for found in severities.values():
        assert {finding.severity for finding in errors(found)} <= {Severity.ERROR}
    assert {finding.severity for found in severities.values() for finding in found} == set(Severity)


def test_no_secret_is_repeated() -> None:
    for case in cases():
        told = expected(case).read_text("utf-8")
        for secret in ("8f14e45fceea167a5a36dedd", "correct-horse", "hunter2", *ENVIRON.values()):
            assert secret not in told, case


def test_the_page_of_server_files_names_every_rule_as_it_is() -> None:
    page = (ROOT / "docs" / "server-files.md").read_text("utf-8")
    shown = page.partition("<!-- rules -->\n")[2].partition("<!-- end of the rules -->")[0]
    assert shown.splitlines()[2:] == [
        f"| `{rule.id}` | {rule.severity} | {rule.summary} |" for rule in RULES
    ]


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return every place in a value, the whole first."""
    yield at
    listed = enumerate(value) if isinstance(value, list) else ()
    for key, member in value.items() if isinstance(value, dict) else listed:
        yield from places(member, (*at, key))


def replaced(value: Any, at: tuple[Any, ...], odd: object) -> Any:
    """Return a value with another one at a place."""
    if not at:
        return odd
    changed = copy.copy(value)
    changed[at[0]] = replaced(value[at[0]], at[1:], odd)
    return changed


@pytest.mark.parametrize("odd", [None, "x", [{}], {"a": 1}], ids=repr)
def test_whatever_stands_anywhere_in_a_file_is_reported_and_breaks_nothing(
    tmp_path: Path, odd: object
) -> None:
    sound = yaml.safe_load(SOUND)
    file = tmp_path / "s.json"
    for at in places(sound):
        file.write_text(json.dumps(replaced(sound, at, odd)))
        for finding in check(file, ENVIRON):
            assert text_line(finding).startswith(f"{file}:1:"), at

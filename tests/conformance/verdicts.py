"""What a scenario's checks are worth, and whether a run is as good as it must be."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

Checks = list[dict[str, Any]]

REVISIONS = ("2025-11-25", "2026-07-28")
EXPECTED_FAILURES = Path(__file__).with_name("expected_failures.yml")

ALWAYS = frozenset({"wire-schema-valid"})
"""Checks that every scenario gets on top of its own; they prove nothing of the scenario."""

NEEDS = {
    "tools-call-simple-text": "test_simple_text",
    "tools-call-error": "test_error_handling",
    "input-required-result-missing-input-response": "test_input_required_result_elicitation",
    "input-required-result-ignore-extra-params": "test_input_required_result_elicitation",
    "input-required-result-validate-input": "test_input_required_result_elicitation",
}
"""Scenarios that pass on a server without the fixture they are about."""


class Outcome(StrEnum):
    """How a scenario ended."""

    PASSED = "passed"
    FAILED = "failed"
    VACUOUS = "vacuous"


@dataclass(frozen=True)
class Verdict:
    """A scenario's outcome, why it did not pass, and why that was expected (if it was)."""

    scenario: str
    outcome: Outcome
    findings: tuple[str, ...]
    reason: str | None

    @property
    def is_good(self) -> bool:
        """Tell whether it passed and was to, or did not pass and was not to."""
        return (self.outcome is Outcome.PASSED) == (self.reason is None)


def judge(
    found: Mapping[str, Checks],
    expected: Mapping[str, str],
    offered: Collection[str],
) -> list[Verdict]:
    """Judge a run, in the order of the scenarios' names.

    Args:
        found: scenario -> its checks.
        expected: scenario -> the reason why it does not pass.
        offered: the fixtures that the server has.
    """
    unknown = sorted(expected.keys() - found.keys())
    gone = [Verdict(name, Outcome.VACUOUS, ("no such scenario",), None) for name in unknown]
    judged = [
        Verdict(scenario, outcome_of(scenario, checks, offered), findings(checks), reason)
        for scenario, checks in sorted(found.items())
        for reason in [expected.get(scenario)]
    ]
    return judged + gone


def outcome_of(scenario: str, checks: Checks, offered: Collection[str]) -> Outcome:
    """Tell how a scenario ended."""
    if findings(checks):
        return Outcome.FAILED
    needed = NEEDS.get(scenario)
    proven = [c for c in checks if c["status"] == "SUCCESS" and c["id"] not in ALWAYS]
    if not proven or (needed is not None and needed not in offered):
        return Outcome.VACUOUS
    return Outcome.PASSED


def findings(checks: Checks) -> tuple[str, ...]:
    """Name each MUST that was broken, and likewise each SHOULD (the suite's WARNING)."""
    return tuple(
        f"{check['id']}: {check.get('errorMessage', '')}"
        for check in checks
        if check["status"] in {"FAILURE", "WARNING"}
    )


def expected_failures(revision: str) -> dict[str, str]:
    """Read what is expected not to pass: scenario -> the reason."""
    listed: dict[str, str] = yaml.safe_load(EXPECTED_FAILURES.read_text())[revision]
    assert all(listed.values()), "each expected failure needs its reason"
    return listed

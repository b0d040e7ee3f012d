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


NOTHING_PROVEN = "nothing-proven"
"""What a vacuous scenario misses, as if it were a check of its own."""


@dataclass(frozen=True)
class Verdict:
    """A scenario's outcome: the checks it missed, each with what was found, and why it might.

    Both `missed` and `reasons` are by the id of the check.
    """

    scenario: str
    outcome: Outcome
    missed: Mapping[str, str]
    reasons: Mapping[str, str]

    @property
    def is_good(self) -> bool:
        """Report whether it missed what it was expected to miss, and no more."""
        return self.missed.keys() == self.reasons.keys()

    @property
    def is_expected(self) -> bool:
        """Report whether it did not pass and was not to."""
        return self.is_good and self.outcome is not Outcome.PASSED


def judge(
    found: Mapping[str, Checks],
    expected: Mapping[str, Mapping[str, str]],
    offered: Collection[str],
) -> list[Verdict]:
    """Judge a run, in the order of the scenarios' names.

    Args:
        found: scenario -> its checks.
        expected: scenario -> the id of a check that it misses -> the reason.
        offered: the fixtures that the server has.
    """
    unknown = sorted(expected.keys() - found.keys())
    gone = [Verdict(name, Outcome.VACUOUS, {}, expected[name]) for name in unknown]
    judged = [
        Verdict(scenario, *outcome_of(scenario, checks, offered), expected.get(scenario, {}))
        for scenario, checks in sorted(found.items())
    ]
    return judged + gone


def outcome_of(
    scenario: str, checks: Checks, offered: Collection[str]
) -> tuple[Outcome, Mapping[str, str]]:
    """Report how a scenario ended, and what it missed."""
    if missed := broken(checks):
        return Outcome.FAILED, missed
    needed = NEEDS.get(scenario)
    proven = [c for c in checks if c["status"] == "SUCCESS" and c["id"] not in ALWAYS]
    if not proven or (needed is not None and needed not in offered):
        return Outcome.VACUOUS, {NOTHING_PROVEN: "no check of its own has succeeded"}
    return Outcome.PASSED, {}


def broken(checks: Checks) -> dict[str, str]:
    """Name each MUST that was broken, and likewise each SHOULD (the suite's WARNING)."""
    return {
        check["id"]: check.get("errorMessage", "")
        for check in checks
        if check["status"] in {"FAILURE", "WARNING"}
    }


def expected_failures(revision: str) -> dict[str, dict[str, str]]:
    """Read what is expected not to pass: scenario -> check -> the reason."""
    listed: dict[str, dict[str, str]] = yaml.safe_load(EXPECTED_FAILURES.read_text())[revision]
    for reasons in listed.values():
        assert reasons, "each expected failure names its checks"
        assert all(reasons.values()), "each of them has its reason"
    return listed

"""What the runs of the conformance suite are worth."""

from typing import Any

import pytest

from bridge.configuration.servers import Server
from tests.conformance.endpoint import NAME, FixtureDoor
from tests.conformance.verdicts import (
    NEEDS,
    NOTHING_PROVEN,
    REVISIONS,
    Outcome,
    expected_failures,
    judge,
)

WIRE_CHECK = {"id": "wire-schema-valid", "status": "SUCCESS"}


def check(status: str) -> dict[str, Any]:
    return {"id": "own-check", "status": status, "errorMessage": "because"}


def outcome(*checks: dict[str, Any]) -> Outcome:
    [verdict] = judge({"ping": [WIRE_CHECK, *checks]}, {}, ())
    return verdict.outcome


def test_a_scenario_passes_by_a_check_of_its_own() -> None:
    assert outcome(check("SUCCESS"), check("INFO")) is Outcome.PASSED


@pytest.mark.parametrize("status", ["FAILURE", "WARNING"])
def test_one_broken_must_or_should_fails_it(status: str) -> None:
    assert outcome(check("SUCCESS"), check(status)) is Outcome.FAILED


@pytest.mark.parametrize("checks", [(), (check("INFO"),), (check("SKIPPED"),)])
def test_a_scenario_that_has_proven_nothing_does_not_count(checks: tuple[Any, ...]) -> None:
    assert outcome(*checks) is Outcome.VACUOUS


def test_a_scenario_without_the_fixture_it_is_about_does_not_count() -> None:
    found = {"tools-call-error": [check("SUCCESS")]}
    assert [v.outcome for v in judge(found, {}, ())] == [Outcome.VACUOUS]
    assert [v.outcome for v in judge(found, {}, {"test_error_handling"})] == [Outcome.PASSED]


@pytest.mark.parametrize(
    ("status", "expected", "is_good"),
    [
        ("SUCCESS", {}, True),
        ("FAILURE", {}, False),
        ("INFO", {}, False),
        ("SUCCESS", {"own-check": "a reason"}, False),
        ("FAILURE", {"own-check": "a reason"}, True),
        ("WARNING", {"own-check": "a reason"}, True),
        ("FAILURE", {"another": "a reason"}, False),
        ("FAILURE", {"own-check": "a reason", "another": "a reason"}, False),
        ("INFO", {NOTHING_PROVEN: "a reason"}, True),
        ("INFO", {"own-check": "a reason"}, False),
    ],
)
def test_the_list_of_expected_failures_can_only_shrink(
    status: str, expected: dict[str, str], is_good: bool
) -> None:
    judged = judge({"ping": [check(status)]}, {"ping": expected}, ())
    assert [verdict.is_good for verdict in judged] == [is_good]


def test_an_expected_failure_of_a_scenario_that_does_not_exist_is_named() -> None:
    assert [v.is_good for v in judge({}, {"pong": {"own-check": "a reason"}}, ())] == [False]


@pytest.mark.parametrize("revision", REVISIONS)
def test_each_expected_failure_has_its_reason(revision: str) -> None:
    for reasons in expected_failures(revision).values():
        assert all(reasons.values())


def test_the_test_app_has_what_the_scenarios_are_about() -> None:
    assert set(NEEDS.values()) <= FixtureDoor(Server(name=NAME)).tools.keys()

"""What becomes of a reply: waits, and the time that is left for it."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.models import EventId, LeaseToken, ReplyStatus
from bridge.n8n.outcomes import Again, AgainOnce, AgainSoon, ResumeOutcome
from bridge.store.replies import ReplyLease
from bridge.verbs.replies import CAP_S, LAST_TRY_S, SOON_CAP_S, judge, too_late, within

SENDING = ReplyLease(
    event_id=EventId("evt_1"),
    token=LeaseToken("t"),
    url="http://n8n:5678/webhook-waiting/1?signature=s3cr3t",
    value=b'"s3cr3t"',
    n8n_waits_s=math.inf,
    age_s=0,
    attempt=1,
    tries=1,
    unknown=False,
    last_failure="",
    server="desk",
    hook="letter",
)
LATERS: list[ResumeOutcome] = [AgainSoon("409"), AgainOnce("500"), Again("503", unknown=True)]


def test_a_sending_shows_neither_its_address_nor_its_reply() -> None:
    assert "s3cr3t" not in repr(SENDING)


@pytest.mark.parametrize("outcome", LATERS, ids=repr)
@given(left_s=st.floats(0.001, 1e6), tries=st.integers(1, 10**6), jitter=st.floats(0, 1))
def test_one_more_attempt_falls_into_the_time_that_is_left(
    outcome: ResumeOutcome, left_s: float, tries: int, jitter: float
) -> None:
    verdict = judge(replace(SENDING, tries=tries), outcome, left_s, jitter)

    assert verdict.status is ReplyStatus.PENDING
    assert 0 < verdict.delay_s <= max(left_s - LAST_TRY_S, LAST_TRY_S)


@given(tries=st.integers(1, 10**6), jitter=st.floats(0, 1))
def test_an_execution_on_its_way_to_its_wait_node_is_asked_often(tries: int, jitter: float) -> None:
    soon, later = (
        judge(replace(SENDING, tries=tries), outcome, math.inf, jitter)
        for outcome in (AgainSoon("409"), Again("503"))
    )
    assert soon.delay_s <= SOON_CAP_S
    assert soon.delay_s <= later.delay_s <= CAP_S


def test_two_resumes_that_met_are_told_apart_at_once_and_then_in_time() -> None:
    first = judge(SENDING, AgainOnce("500"), math.inf, 0.5)
    second = judge(replace(SENDING, unknown=first.unknown), AgainOnce("500"), math.inf, 0.5)
    assert (first.delay_s, first.unknown) == (0.1, True)
    assert second.delay_s >= 1


def test_what_is_too_late_says_what_failed_before() -> None:
    assert too_late(SENDING).failure == "the time in which n8n waits for the reply is over"
    assert too_late(replace(SENDING, last_failure="503")).failure.endswith(": 503")


@given(st.floats(0, 1e6))
def test_without_a_limit_a_wait_stays_as_it_is(delay_s: float) -> None:
    assert within(math.inf, delay_s) == delay_s

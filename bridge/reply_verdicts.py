"""What becomes of a reply after an attempt: pure rules."""

import math
from dataclasses import dataclass

from bridge.backoff import delay_before
from bridge.models import ReplyStatus
from bridge.outcomes import Again, AgainOnce, AgainSoon, Dead, Delivered, Finished, ResumeOutcome
from bridge.store.replies import Sending

TOO_LATE = "the time in which n8n waits for the reply is over"
SOON_FIRST_S, SOON_CAP_S = 0.1, 5.0
FIRST_S, CAP_S = 2.0, 300.0
LAST_TRY_S = 1.0
"""How long before the end of its time a reply is tried for the last time."""


@dataclass(frozen=True)
class Verdict:
    """What a reply becomes; a pending one is due again after `delay_s`."""

    status: ReplyStatus
    failure: str = ""
    delay_s: float = 0
    unknown: bool = False


def too_late(sending: Sending) -> Verdict:
    """Set a reply aside that nobody waits for any more, with what kept it from arriving."""
    last = f"; the last failure was: {sending.last_failure}" if sending.last_failure else ""
    return Verdict(ReplyStatus.DEAD, f"{TOO_LATE}{last}")


def judge(sending: Sending, outcome: ResumeOutcome, left_s: float, jitter: float) -> Verdict:
    """Decide on n8n's answer to an attempt, with `left_s` of the reply's time left before it.

    Where an earlier attempt may have arrived, an execution that is over is one that got the reply.
    """
    pending, unknown = ReplyStatus.PENDING, sending.unknown
    soon_s = delay_before(sending.tries + 1, SOON_FIRST_S, SOON_CAP_S, jitter)
    later_s = delay_before(sending.tries + 1, FIRST_S, CAP_S, jitter)
    match outcome:
        case Delivered(note):
            return Verdict(ReplyStatus.DELIVERED, note or "")
        case Finished() if unknown:
            return Verdict(ReplyStatus.DELIVERED, "confirmed by 409")
        case Finished(reason) | Dead(reason):
            return Verdict(ReplyStatus.DEAD, reason)
        case AgainSoon(reason):
            return Verdict(pending, reason, within(left_s, soon_s), unknown)
        case AgainOnce(reason):
            delay_s = later_s if unknown else SOON_FIRST_S
            return Verdict(pending, reason, within(left_s, delay_s), unknown=True)
        case Again(reason, perhaps_arrived):
            return Verdict(pending, reason, within(left_s, later_s), unknown or perhaps_arrived)


def within(left_s: float, delay_s: float) -> float:
    """Shorten a wait that would outlast the reply's time, for one more attempt to be made in it."""
    return min(delay_s, max(left_s - LAST_TRY_S, LAST_TRY_S)) if math.isfinite(left_s) else delay_s

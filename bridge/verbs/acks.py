"""Acknowledgements of answers: what each hands over, and what becomes of that.

An ack is a text: `event ID TOKEN`, `call ID`, `attached ID` for the result of an earlier call,
`accepted REQUEST` for an answer that says no more than that, or empty for one that hands nothing
over. Where a request was accepted apart from its answer, the ack of a result ends in `to REQUEST`:
who does not know that a request was taken makes it again, whatever has come meanwhile.
"""

from enum import Enum

from bridge.models import Call, CallId, EventId, LeaseToken
from bridge.store.calls import CallStore
from bridge.store.claims import ClaimStore

NOTHING = ""


class AckState(Enum):
    """What is known of an answer that was written, or could not be, when nothing more is learnt."""

    RECEIVED = "received"
    LOST = "lost"
    IN_DOUBT = "in doubt"


def ack_of_lease(event_id: EventId, token: LeaseToken) -> str:
    """Return the ack of an answer that gives its reader a lease."""
    return f"event {event_id} {token}"


def ack_of(call: Call, *, attached: bool = False) -> str:
    """Return the ack of an answer that tells of a call, or of an earlier one that it joined.

    Nothing is handed over as long as the call has not ended.
    """
    if not call.status.is_final:
        return NOTHING
    return f"{'attached' if attached else 'call'} {call.call_id}"


def ack_of_accepted(request: CallId) -> str:
    """Return the ack of an answer that says that a request was taken, and is answered apart."""
    return f"accepted {request}"


def ack_apart(ack: str, request: CallId) -> str:
    """Return the ack of a request's answer, for a request that was accepted apart from it."""
    return f"{ack} to {request}" if is_of_call(ack) or is_of_attached(ack) else ack


def is_of_call(ack: str) -> bool:
    """Report whether an answer gives the result of the call that was made for it."""
    return ack.startswith("call ")


def is_of_attached(ack: str) -> bool:
    """Report whether an answer gives the result of an earlier call, and says so."""
    return ack.startswith("attached ")


class Acks:
    """Decides what follows from the fate of answers."""

    def __init__(self, claims: ClaimStore, calls: CallStore) -> None:
        self._claims = claims
        self._calls = calls

    async def hold(self, ack: str) -> None:
        """Answer for what is about to be written: if this process dies now, it was not received."""
        match ack.split():
            case ["event", event_id, token]:
                await self._claims.hold(event_id, token)

    async def settle(self, ack: str, fate: AckState) -> None:
        """Act on the fate of an answer.

        In doubt a lease is kept until its time ends, whatever becomes of this process, and a call
        stays one that the same call again joins; but who was told that it joined one has its due.
        """
        match ack.split(), fate:
            case ["event", event_id, token], AckState.LOST:
                await self._claims.abandon(event_id, token)
            case ["event", event_id, token], _:
                await self._claims.handed_over(event_id, token)
            case ["call", call_id, *to], AckState.RECEIVED:
                await self._calls.handed_over(call_id, *to[1:])
            case ["attached", call_id, *to], AckState.RECEIVED | AckState.IN_DOUBT:
                await self._calls.handed_over(call_id, *to[1:])
            case ["accepted", request], AckState.RECEIVED | AckState.IN_DOUBT:
                await self._calls.accepted(request)

"""Alerts on record: what holds and what fires, and what receivers are still to be told."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from bridge.models import LeaseToken, ProcessId
from bridge.store.steps import Steps, step

TURN_S = 6.0
"""How long a process that judges keeps the turn after its last look."""


@dataclass(frozen=True)
class AlertReading:
    """How a rule stands in one place: whether it holds, and what is said of it if so, as JSON.

    `place` is empty for a rule that is about the whole bridge. `id` is what the alert is called if
    it begins to hold now.
    """

    rule: str
    place: str
    id: str
    holds: bool
    for_ms: int
    repeat_ms: int
    to: tuple[str, ...]
    value: float
    said: str


class AlertTurn(NamedTuple):
    """Whether a process has the turn, and since when whoever has it, in ms since 1970."""

    leads: bool
    since: int


class AlertChange(NamedTuple):
    """What began to fire, or is over: `rule|place`, and `firing` or `resolved`."""

    name: str
    what: str


class OutboxRow(NamedTuple):
    """What a receiver is told next, as JSON, and which attempt it is."""

    message: str
    attempt: int


class ReceiverRow(NamedTuple):
    """How a receiver stands: what waits for it, and how it took what was sent last."""

    receiver: str
    waiting: int
    delivered_at: int | None
    failed_at: int | None
    failure: str | None


@dataclass(frozen=True)
class AlertMessage:
    """What one receiver is to be told; `value` is what was read as the alert ended, if anything.

    `gone` is why nothing was read then: it is not known whether what the alert is about is over.
    """

    id: str
    what: str
    alert: str
    rule: str
    place: str
    since_ms: int
    at_ms: int
    said: dict[str, Any]
    value: float | None
    attempt: int
    gone: str | None = None


@dataclass(frozen=True)
class AlertState:
    """A rule that holds in a place; `fired_at_ms` is None while it has not held for long enough."""

    alert: str
    rule: str
    place: str
    since_ms: int
    fired_at_ms: int | None
    said: dict[str, Any]


@step("alerts.lead")
async def _lead(steps: Steps, *, process: ProcessId, life_ms: int) -> AlertTurn:
    """Become or stay the one process that judges and tells."""


@step("alerts.judge")
async def _judge(
    steps: Steps,
    *,
    process: ProcessId,
    readings: list[dict[str, Any]],
    unread: list[str],
    gone: dict[str, str],
) -> list[AlertChange]:
    """Go on from what was read."""


@step("alerts.list")
async def _list(steps: Steps) -> dict[str, str]:
    """Read every state."""


@step("alerts.beat")
async def _beat(steps: Steps, *, every_ms: int) -> int | None:
    """Report whether it is time for a heartbeat."""


@step("alert_outbox.take")
async def _take(
    steps: Steps, *, receiver: str, process: ProcessId, token: LeaseToken, within_ms: int
) -> OutboxRow | None:
    """Take the next message of a receiver to send it."""


@step("alert_outbox.taken")
async def _taken(steps: Steps, *, receiver: str, message_id: str) -> None:
    """Record that a receiver took a message."""


@step("alert_outbox.refused")
async def _refused(
    steps: Steps,
    *,
    receiver: str,
    token: LeaseToken,
    message_id: str,
    failure: str,
    pause_ms: int,
) -> str:
    """Record that a receiver did not take a message."""


@step("alert_outbox.heard")
async def _heard(steps: Steps, *, receiver: str, failure: str) -> None:
    """Record how a receiver took a heartbeat."""


@step("alert_outbox.stand")
async def _stand(steps: Steps, *, receivers: list[str]) -> list[ReceiverRow]:
    """Read how receivers stand."""


class AlertStore:
    """Speaks Redis for alerts."""

    def __init__(self, steps: Steps, process: ProcessId) -> None:
        self._steps = steps
        self._process = process

    async def lead(self) -> AlertTurn:
        """Become or stay the one process that judges and tells, for TURN_S."""
        return await _lead(self._steps, process=self._process, life_ms=round(TURN_S * 1000))

    async def judge(
        self,
        readings: Iterable[AlertReading],
        unread: Sequence[str],
        gone: Mapping[tuple[str, str], str] | None = None,
    ) -> list[AlertChange]:
        """Go on from what was read; rules that are `unread` stay as they are.

        Whatever else was on record is over, or looked at no more: `gone` says why, by rule and
        place. It changes nothing for who has not the turn.
        """
        return await _judge(
            self._steps,
            process=self._process,
            readings=[asdict(reading) for reading in readings],
            unread=list(unread),
            gone={f"{rule}|{place}": why for (rule, place), why in (gone or {}).items()},
        )

    async def states(self) -> list[AlertState]:
        """Read what holds, the longest first."""
        found = [_state(name, json.loads(row)) for name, row in (await _list(self._steps)).items()]
        return sorted(found, key=lambda state: state.since_ms)

    async def beat(self, every_s: float) -> int | None:
        """Return the moment, in ms since 1970, of a heartbeat that is for this process to send."""
        return await _beat(self._steps, every_ms=round(every_s * 1000))

    async def take(self, receiver: str, token: LeaseToken, within_s: float) -> AlertMessage | None:
        """Take what a receiver is told next; None where that is nothing, or for another to send.

        It is for another process after `within_s`, or as soon as this one is dead.
        """
        row = await _take(
            self._steps,
            receiver=receiver,
            process=self._process,
            token=token,
            within_ms=round(within_s * 1000),
        )
        return _message(row) if row else None

    async def taken(self, receiver: str, message_id: str) -> None:
        """Record that a receiver took a message, whoever sent it."""
        await _taken(self._steps, receiver=receiver, message_id=message_id)

    async def refused(
        self, receiver: str, token: LeaseToken, message_id: str, failure: str, pause_s: float
    ) -> str:
        """Record that a receiver did not take a message, which is sent again after a pause.

        Returns `again`, `given_up` after a day, or `lost` where another process sends it by now.
        """
        return await _refused(
            self._steps,
            receiver=receiver,
            token=token,
            message_id=message_id,
            failure=failure,
            pause_ms=round(pause_s * 1000),
        )

    async def heard(self, receiver: str, failure: str) -> None:
        """Record how a receiver took a heartbeat; an empty failure is none."""
        await _heard(self._steps, receiver=receiver, failure=failure)

    async def receivers(self, names: Iterable[str]) -> list[ReceiverRow]:
        """Read how these receivers stand."""
        return await _stand(self._steps, receivers=list(names))


def rule_and_place(name: str) -> tuple[str, str]:
    """Take apart the name of a state."""
    rule, _, place = name.partition("|")
    return rule, place


def firing_of(states: Mapping[str, bytes]) -> dict[str, int]:
    """Count by rule what fires, of states as they stand on record."""
    found = (_state(name, json.loads(row)) for name, row in states.items())
    return dict(Counter(state.rule for state in found if state.fired_at_ms is not None))


def _message(row: OutboxRow) -> AlertMessage:
    told = json.loads(row.message)
    return AlertMessage(
        id=told["id"],
        what=told["what"],
        alert=told["alert"],
        rule=told["rule"],
        place=told["place"],
        since_ms=round(told["since"]),
        at_ms=round(told["at"]),
        said=json.loads(told["said"]),
        value=told.get("value"),
        attempt=row.attempt,
        gone=told.get("gone"),
    )


def _state(name: str, state: dict[str, Any]) -> AlertState:
    rule, place = rule_and_place(name)
    fired_at = state.get("fired_at")
    return AlertState(
        alert=state["id"],
        rule=rule,
        place=place,
        since_ms=round(state["since"]),
        fired_at_ms=None if fired_at is None else round(fired_at),
        said=json.loads(state["said"]),
    )

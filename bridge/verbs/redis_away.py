"""Redis away, told by the web process that sees it: from memory, for nothing else is left.

On purpose this is less than other alerts: what it has not sent dies with the process, and each web
process tells of it. All of them do so under one id, the moment at which the turn of whoever judged
last began, so that a receiver knows the repeats. An outage that is shorter than such a turn lives
is not told, so the next one has another id.
"""

import asyncio
import logging
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bridge import __version__
from bridge.backoff import delay_before
from bridge.configuration.alerts import AlertReceiver, AlertRule, Alerts
from bridge.ending import end
from bridge.models import instant
from bridge.n8n.alert_receivers import post
from bridge.store.alerts import TURN_S
from bridge.verbs.alert_sending import CAP_S, FIRST_S
from bridge.verbs.alerts import said_of

logger = logging.getLogger(__name__)

ATTEMPTS_MAX = 30
REMEDY = "start Redis again, or mend BRIDGE_REDIS_URL; what was accepted is not lost"


@dataclass(frozen=True)
class _Told:
    """One receiver that was told of an outage, or is being told."""

    receiver: AlertReceiver
    event: dict[str, Any]
    telling: asyncio.Task[None]


class RedisAwayAlerts:
    """Tells of an outage of Redis, and of its end."""

    def __init__(self, bridge: str) -> None:
        self._bridge = bridge
        self._turn = 0
        self._answered_at = _now()
        self._answered_at_ms = _now_ms()
        self._told: dict[tuple[str, str], _Told] = {}
        self._ending: list[asyncio.Task[None]] = []

    def answered(self, turn: int) -> None:
        """Hear that Redis answers; whoever was told of an outage is told that it is over."""
        for told in self._told.values():
            told.telling.cancel()
            over = {
                **told.event,
                "type": "alert.resolved",
                "timestamp": instant(_now_ms()),
                "sentence": f"over: {told.event['sentence']}",
                "value": 0,
            }
            self._ending = [each for each in self._ending if not each.done()]
            self._ending.append(asyncio.create_task(_tell(told.receiver, over)))
        self._told.clear()
        self._turn, self._answered_at, self._answered_at_ms = turn, _now(), _now_ms()

    def failed(self, alerts: Alerts, why: str) -> None:
        """Hear that Redis does not answer; receivers are told once that has gone on for long."""
        away_s = _now() - self._answered_at
        for rule, receiver in _rules_of(alerts):
            place = (rule.name, receiver.name)
            if place not in self._told and away_s >= max(rule.for_s, TURN_S):
                event = self._event(rule, away_s, why)
                telling = asyncio.create_task(_tell(receiver, event))
                self._told[place] = _Told(receiver, event, telling)

    async def end(self) -> None:
        """End what is being told."""
        await end(*(told.telling for told in self._told.values()), *self._ending)

    def _event(self, rule: AlertRule, away_s: float, why: str) -> dict[str, Any]:
        found = {
            "value": round(away_s, 3),
            "threshold": rule.for_s,
            "unit": "seconds",
            "sentence": f"Redis is away: {why}",
            "remedy": REMEDY,
        }
        return {
            "type": "alert.firing",
            "timestamp": instant(_now_ms()),
            "alert": f"redis_away_{self._turn}",
            "rule": rule.name,
            **said_of(rule, found),
            "since": instant(self._answered_at_ms),
            "bridge": self._bridge,
            "version": __version__,
        }


def _rules_of(alerts: Alerts) -> Iterator[tuple[AlertRule, AlertReceiver]]:
    for rule in alerts.alerts.values():
        for name in rule.to if rule.when.redis_away is not None else ():
            yield rule, alerts.receivers[name]


async def _tell(receiver: AlertReceiver, event: dict[str, Any]) -> None:
    """Send an event until it is taken, or ATTEMPTS_MAX times."""
    kind = event["type"].removeprefix("alert.")
    for attempt in range(1, ATTEMPTS_MAX + 1):
        failure = await post(receiver, f"{event['alert']}_{event['rule']}_{kind}", event)
        told = {"receiver": receiver.name, "rule": event["rule"], "attempt": attempt}
        if not failure:
            logger.info("alert.delivered", extra=told)
            return
        logger.warning("alert.undelivered", extra=told | {"failure": failure})
        await asyncio.sleep(delay_before(attempt + 1, FIRST_S, CAP_S, random.random()))


def _now() -> float:
    return asyncio.get_running_loop().time()


def _now_ms() -> int:
    return round(time.time() * 1000)

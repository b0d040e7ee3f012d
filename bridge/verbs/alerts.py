"""Alerts as people and receivers are told of them: what fires, and how that is written."""

from collections.abc import Iterable
from typing import Any

from bridge import __version__
from bridge.configuration.alerts import AlertRule
from bridge.models import instant
from bridge.store.alerts import AlertMessage, AlertState, AlertStore, ReceiverRow


class FiringAlerts:
    """Says what fires now, and how receivers stand."""

    def __init__(self, store: AlertStore) -> None:
        self._store = store

    async def firing(self) -> list[AlertState]:
        """Return what fires, the longest first; `said` has the sentence and the remedy."""
        return [each for each in await self._store.states() if each.fired_at_ms is not None]

    async def standing(self) -> list[AlertState]:
        """Return what fires or holds, though not for long enough yet."""
        return await self._store.states()

    async def receivers(self, names: Iterable[str]) -> list[ReceiverRow]:
        """Return how these receivers stand."""
        return await self._store.receivers(names)


def said_of(rule: AlertRule, found: dict[str, Any]) -> dict[str, Any]:
    """Return what is told of a rule that holds, beside what was found."""
    described = {"description": rule.description} if rule.description else {}
    return {"kind": rule.when.kind, "severity": rule.severity, **described, **found}


def event_of(message: AlertMessage, bridge: str) -> dict[str, Any]:
    """Write what a receiver is told."""
    said = dict(message.said)
    if message.what == "resolved":
        ended = f"no longer looked at, for {message.gone}" if message.gone else "over"
        said |= {"sentence": f"{ended}: {said['sentence']}", "value": message.value}
    return {
        "type": f"alert.{message.what}",
        "timestamp": instant(message.at_ms),
        "alert": message.alert,
        "rule": message.rule,
        **said,
        "since": instant(message.since_ms),
        "bridge": bridge,
        "version": __version__,
    }


def heartbeat_of(every_s: float, at_ms: int, firing: int, bridge: str) -> dict[str, Any]:
    """Write what says that all is well enough to say so."""
    return {
        "type": "heartbeat",
        "timestamp": instant(at_ms),
        "every_s": every_s,
        "firing": firing,
        "bridge": bridge,
        "version": __version__,
    }

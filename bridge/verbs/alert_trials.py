"""Trials of alerts: whether their receivers would take one."""

from dataclasses import dataclass

from bridge import __version__
from bridge.configuration.alerts import Alerts
from bridge.errors import NotFoundError
from bridge.models import instant
from bridge.n8n.alert_receivers import post


@dataclass(frozen=True)
class TriedReceiver:
    """How a receiver took a test; an empty failure is none."""

    receiver: str
    failure: str


async def send_test(
    alerts: Alerts, rule: str | None, at_ms: int, bridge: str
) -> list[TriedReceiver]:
    """Send a test to the receivers of a rule, or to all of them, one after the other.

    Raises:
        NotFoundError: there is no such rule.
    """
    if rule is not None and rule not in alerts.alerts:
        known = ", ".join(alerts.alerts) or "none"
        raise NotFoundError(f"there is no alert {rule}; there are: {known}")
    names = alerts.alerts[rule].to if rule else tuple(alerts.receivers)
    event = {
        "type": "alert.test",
        "timestamp": instant(at_ms),
        **({"rule": rule, "severity": alerts.alerts[rule].severity} if rule else {}),
        "sentence": "this is a test: nothing is wrong",
        "bridge": bridge,
        "version": __version__,
    }
    return [
        TriedReceiver(name, await post(alerts.receivers[name], f"test_{at_ms}", event))
        for name in names
    ]

"""The watch that alerts come of: in each web process and each worker, of which one has the turn.

Of both kinds, so that each kind is missed by the other. A Redis that was away makes all processes
look dead, so how many live is not told until it has answered without a gap for one whole life.
"""

import asyncio
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from bridge.configuration.alerts import AlertRule, Alerts
from bridge.configuration.current import CurrentAlerts, Servers
from bridge.configuration.settings import Settings
from bridge.ending import end
from bridge.errors import TransientError
from bridge.formats.json_text import spell
from bridge.models import ProcessId
from bridge.n8n.alert_receivers import health_fault
from bridge.store.alerts import AlertReading, AlertStore, AlertTurn, rule_and_place
from bridge.store.counters import Counters
from bridge.store.minutes import MinuteStore
from bridge.store.processes import LIFE_S
from bridge.store.steps import Steps
from bridge.verbs.alert_rules import (
    PlaceFound,
    WhatIsSeen,
    asks_n8n,
    find,
    hooks_of,
    kinds_of,
    taken_away,
    windows_of,
)
from bridge.verbs.alert_sending import AlertSenders
from bridge.verbs.alerts import heartbeat_of, said_of
from bridge.verbs.charts import read_window
from bridge.verbs.redis_away import RedisAwayAlerts

logger = logging.getLogger(__name__)

EVERY_S = 2.0
GAP_S = 5.0
"""Looks that lie further apart have something between them: Redis was away, or this process."""
N8N_EVERY_S = 5.0


@dataclass(frozen=True)
class AlertStores:
    """What the watch reads and writes."""

    alerts: AlertStore
    counters: Counters
    minutes: MinuteStore
    steps: Steps


class AlertWatch:
    """Looks whether what alerts are about holds, and has their receivers told."""

    def __init__(
        self,
        process: ProcessId,
        settings: Settings,
        servers: Servers,
        current: CurrentAlerts,
        stores: AlertStores,
    ) -> None:
        self._process = process
        self._settings = settings
        self._servers = servers
        self._current = current
        self._stores = stores
        self._bridge = settings.base_url
        self._last_at = self._steady_since = float("-inf")
        self._is_steady = False
        self._n8n: dict[str, str] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._looks_at = float("-inf")

    async def run(self) -> None:
        """Watch until cancelled."""
        senders = AlertSenders(self._stores.alerts, self._bridge)
        away = RedisAwayAlerts(self._bridge)
        try:
            while True:
                if alerts := self._current.now:
                    await self._look(alerts, senders, away)
                await asyncio.sleep(EVERY_S)
        finally:
            await senders.end()
            await away.end()
            if self._looking:
                await end(self._looking)

    async def _look(self, alerts: Alerts, senders: AlertSenders, away: RedisAwayAlerts) -> None:
        try:
            turn = await self._lead(alerts, away)
            if turn and turn.leads:
                await self._judge_and_tell(alerts, senders)
            else:
                self._n8n = None  # it would be old once this process has the turn again
        except TransientError:
            return  # Redis went away in between: the next look tells how long for
        except Exception:  # what one look trips over must not end the watch
            logger.exception("alerts.failed")

    async def _lead(self, alerts: Alerts, away: RedisAwayAlerts) -> AlertTurn | None:
        """Take the turn if it is free; None where Redis does not answer, which may be told."""
        try:
            turn = await self._stores.alerts.lead()
        except TransientError as error:
            self._is_steady = False
            if self._process.startswith("web-"):
                fault = self._stores.steps.fault
                away.failed(alerts, fault.sentence if fault else str(error))
            return None
        away.answered(turn.since)
        self._is_steady = self._has_been_steady()
        return turn

    async def _judge_and_tell(self, alerts: Alerts, senders: AlertSenders) -> None:
        seen = await self._see(alerts)
        await self._judge(alerts, seen)
        await self._beat(alerts, seen, senders)
        senders.wake(alerts.receivers)

    def _has_been_steady(self) -> bool:
        now = asyncio.get_running_loop().time()
        if now - self._last_at > GAP_S:
            self._steady_since = now
        self._last_at = now
        return now - self._steady_since > LIFE_S

    async def _see(self, alerts: Alerts) -> WhatIsSeen:
        servers = self._servers.now
        totals = await self._stores.counters.read(hooks_of(alerts, servers))
        minutes = self._stores.minutes
        return WhatIsSeen(
            totals,
            servers,
            {each: await read_window(minutes, round(each / 60)) for each in windows_of(alerts)},
            self._look_at_n8n() if asks_n8n(alerts) else None,
            kinds_of(totals.live_processes) if self._is_steady else None,
        )

    def _look_at_n8n(self) -> Mapping[str, str] | None:
        """Return what was wrong when n8n was looked at last, and look again if that is long ago."""
        url, now = self._settings.n8n_url, asyncio.get_running_loop().time()
        if url is None:
            return {}

        async def look() -> None:
            self._n8n = {url: await health_fault(url)}

        if now >= self._looks_at and (self._looking is None or self._looking.done()):
            self._looks_at = now + N8N_EVERY_S
            self._looking = asyncio.create_task(look())
        return self._n8n

    async def _judge(self, alerts: Alerts, seen: WhatIsSeen) -> None:
        """Put on record what holds."""
        standing = seen.totals.standing
        readings, unread, places = list[AlertReading](), list[str](), set[tuple[str, str]]()
        for rule in alerts.alerts.values():
            found = find(rule.when.condition, seen)
            if found is None:
                unread.append(rule.name)
                continue
            places.update((rule.name, each.place) for each in found)
            # Nearly all rules hold nowhere, and nothing is on record of what does not.
            readings += [
                _reading(rule, each)
                for each in found
                if each.holds or (rule.name, each.place) in standing
            ]
        gone = taken_away(alerts, standing, places)
        for change in await self._stores.alerts.judge(readings, unread, gone):
            rule_name, place = rule_and_place(change.name)
            logger.log(
                logging.WARNING if change.what == "firing" else logging.INFO,
                "alert.changed",
                extra={"rule": rule_name, "place": place, "status": change.what},
            )

    async def _beat(self, alerts: Alerts, seen: WhatIsSeen, senders: AlertSenders) -> None:
        """Send a heartbeat if it is time, and a web process and a worker live."""
        heartbeat, kinds = alerts.heartbeat, seen.kinds
        if heartbeat is None or not (kinds and kinds.get("web") and kinds.get("worker")):
            return
        if at_ms := await self._stores.alerts.beat(heartbeat.every_s):
            firing = sum(seen.totals.firing.values())
            event = heartbeat_of(heartbeat.every_s, at_ms, firing, self._bridge)
            senders.beat({name: alerts.receivers[name] for name in heartbeat.to}, event)


def _reading(rule: AlertRule, found: PlaceFound) -> AlertReading:
    return AlertReading(
        rule=rule.name,
        place=found.place,
        id=f"alt_{secrets.token_urlsafe(16)}",
        holds=found.holds,
        for_ms=round(rule.for_s * 1000),
        repeat_ms=round((rule.repeat_s or 0) * 1000),
        to=rule.to,
        value=round(found.value, 3),
        said=spell(said_of(rule, found.said)),
    )

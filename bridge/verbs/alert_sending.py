"""Alerts on their way: each receiver is told what is on record for it, one message at a time."""

import asyncio
import logging
import random
from collections.abc import Mapping
from typing import Any

from bridge.backoff import delay_before
from bridge.configuration.alerts import AlertReceiver
from bridge.ending import end
from bridge.errors import TransientError
from bridge.models import new_lease_token
from bridge.n8n.alert_receivers import TIMEOUT_S, post
from bridge.store.alerts import AlertMessage, AlertStore
from bridge.verbs.alerts import event_of

logger = logging.getLogger(__name__)

FIRST_S, CAP_S = 1.0, 60.0
"""The pauses between attempts, which double."""

SENT_WITHIN_S = TIMEOUT_S + 5
"""After so long a message is for another process to send; after the death of its sender, too."""


class AlertSenders:
    """Tells receivers, each from a task of its own, so that none holds up another."""

    def __init__(self, store: AlertStore, bridge: str) -> None:
        self._store = store
        self._bridge = bridge
        self._running: dict[str, asyncio.Task[None]] = {}

    def wake(self, receivers: Mapping[str, AlertReceiver]) -> None:
        """Send what waits for these receivers, unless that is being done."""
        for name, receiver in receivers.items():
            self._start(name, self._send_all(receiver))

    def beat(self, receivers: Mapping[str, AlertReceiver], event: dict[str, Any]) -> None:
        """Send a heartbeat once to each of these, unless the last one is still on its way."""
        for name, receiver in receivers.items():
            self._start(f"{name} heartbeat", self._beat(receiver, event))

    async def end(self) -> None:
        """End what is being sent; it is for another process to send it again."""
        await end(*self._running.values())

    def _start(self, name: str, work: Any) -> None:
        task = self._running.get(name)
        if task is None or task.done():
            self._running[name] = asyncio.create_task(_safely(work))
        else:
            work.close()

    async def _send_all(self, receiver: AlertReceiver) -> None:
        token = new_lease_token()
        while message := await self._store.take(receiver.name, token, SENT_WITHIN_S):
            event = event_of(message, self._bridge)
            failure = await post(receiver, message.id, event)
            if failure:
                pause_s = delay_before(message.attempt + 1, FIRST_S, CAP_S, random.random())
                await self._store.refused(receiver.name, token, message.id, failure, pause_s)
                _log(receiver.name, message, failure)
                return
            await self._store.taken(receiver.name, message.id)
            _log(receiver.name, message, "")
            token = new_lease_token()

    async def _beat(self, receiver: AlertReceiver, event: dict[str, Any]) -> None:
        failure = await post(receiver, f"heartbeat_{event['timestamp']}", event)
        await self._store.heard(receiver.name, failure)
        if failure:
            logger.warning(
                "heartbeat.undelivered", extra={"receiver": receiver.name, "failure": failure}
            )


async def _safely(work: Any) -> None:
    try:
        await work
    except TransientError:
        return  # a Redis that is away: what was sent is sent again, under the same id
    except Exception:
        logger.exception("alert.sending_failed")


def _log(receiver: str, message: AlertMessage, failure: str) -> None:
    logger.log(
        logging.WARNING if failure else logging.INFO,
        "alert.undelivered" if failure else "alert.delivered",
        extra={
            "receiver": receiver,
            "message_id": message.id,
            "rule": message.rule,
            "attempt": message.attempt,
            "failure": failure,
        },
    )

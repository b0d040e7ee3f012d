"""Elicitations: what a handler asks amid its call, as an event whose reply it waits for."""

import hashlib
from dataclasses import dataclass

from bridge.configuration.current import Servers
from bridge.errors import ConflictError, NotFoundError
from bridge.formats.json_text import decode, encode
from bridge.formats.payloads import JSON, Content
from bridge.models import Body, CallId, EventStatus, Json
from bridge.store.signals import Signals
from bridge.verbs.events import Events
from bridge.verbs.intake import Incoming, Intake

LOOK_AGAIN_S = 20.0
"""How soon one looks again for a reply, should the word of it be lost."""

_OPEN = (EventStatus.QUEUED, EventStatus.LEASED)


@dataclass(frozen=True)
class Elicitation:
    """One question of a call; `number` counts those of one attempt."""

    server: str
    hook: str
    payload: Json
    call_id: CallId
    number: int


class Elicitations:
    """Decides what becomes of what handlers ask."""

    def __init__(self, servers: Servers, intake: Intake, events: Events, signals: Signals) -> None:
        self._servers = servers
        self._intake = intake
        self._events = events
        self._signals = signals

    async def ask(self, asked: Elicitation) -> Json:
        """Put a question on record, wait for its reply however long that takes, and return it.

        An attempt that asks the same again, after a worker has died, meets the question that is
        there, and its reply.

        Raises:
            NotFoundError: the server has no such hook.
            InvalidError: the payload breaks the hook's schema.
            ConflictError: the call has ended, or the question was set aside or has expired.
        """
        server = self._servers.get(asked.server)
        hook = server.hooks.get(asked.hook) if server else None
        if server is None or hook is None:
            known = ", ".join(server.hooks) if server else ""
            raise NotFoundError(
                f"there is no hook {asked.hook} on this server to ask on; there are: "
                f"{known or 'none'}"
            )
        text = encode(asked.payload)
        digest = hashlib.sha256(text).hexdigest()[:16]
        incoming = Incoming(
            Content(asked.payload, Body(text, JSON)),
            idempotency_key=f"{asked.call_id} {asked.number} {digest}",
            call_id=asked.call_id,
        )
        event, _ = await self._intake.accept(server, hook, incoming)
        with self._signals.subscribed(f"event:{event.event_id}") as woken:
            while True:
                event = await self._events.find(server.name, event.event_id)
                if event.reply.value is not None:
                    value: Json = decode(event.reply.value)
                    return value
                if event.status not in _OPEN:
                    why = event.reason or event.status
                    raise ConflictError(f"the question on {hook.name} was not answered: {why}")
                await woken.wait(LOOK_AGAIN_S)

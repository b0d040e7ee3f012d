"""The verbs of questions: what n8n asks in the middle of a call, and the answer to it."""

from bridge.configuration.servers import Server
from bridge.errors import InvalidError, LeaseLostError
from bridge.formats.payloads import read_kept
from bridge.models import EventId, Json, Principal, new_lease_token
from bridge.store.claims import ClaimStore
from bridge.store.events import Held
from bridge.verbs.events import Events
from bridge.verbs.taking import Taken


class Questions:
    """Decides what becomes of an event that is asked for by its id."""

    def __init__(self, store: ClaimStore, events: Events) -> None:
        self._store = store
        self._events = events

    async def take(self, server: Server, principal: Principal, event_id: str) -> Taken:
        """Lease this very event.

        Raises:
            NotFoundError: unknown, or another server's.
            LeaseLostError: somebody else has taken it, or it is settled.
        """
        event = await self._events.find(server.name, event_id)
        token = new_lease_token()
        found = await self._store.take_one(event.event_id, principal, token)
        if found is None:
            raise LeaseLostError(f"this event is not queued any more: it is {event.status}")
        event, body = found
        return Taken(event, read_kept(body.content), token)

    async def answer(
        self, server: Server, principal: Principal, event_id: EventId, value: Json
    ) -> None:
        """Take a question and reply to it at once.

        Raises:
            InvalidError: the answer breaks the hook's reply schema; the question stays open.
            LeaseLostError: somebody else has taken it, or it is settled.
        """
        taken = await self.take(server, principal, event_id)
        try:
            await self._events.reply(server, Held(event_id, taken.token, principal), value)
        except InvalidError:
            await self._store.abandon(event_id, taken.token)
            raise

    async def decline(self, server: Server, principal: Principal, event_id: EventId) -> None:
        """Set a question aside that whoever was asked will not answer."""
        taken = await self.take(server, principal, event_id)
        held = Held(event_id, taken.token, principal)
        await self._events.release(held, reason="declined by the user", delay_s=0, dead=True)

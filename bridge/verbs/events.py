"""Events that Claude lists, takes and answers; and those that are questions amid a call."""

import logging
import re
from dataclasses import dataclass

from bridge.configuration.servers import Server
from bridge.errors import ConflictError, InvalidError, LeaseLostError, NotFoundError, PausedError
from bridge.formats.cursors import order_after
from bridge.formats.file_pages import FilePage, FilePart, file_page
from bridge.formats.json_text import encode
from bridge.formats.long_json import LongJson
from bridge.formats.multipart import MEDIA_TYPE
from bridge.formats.payloads import read_kept, resolve
from bridge.models import (
    Event,
    EventId,
    EventStatus,
    Json,
    LeaseRef,
    Principal,
    ReplyStatus,
    new_lease_token,
    second,
)
from bridge.queue import Queue
from bridge.schemas.checks import SchemaCache
from bridge.store.claims import ClaimStore
from bridge.store.events import EventStore
from bridge.tracing import EndedSpan, are_spans_sent
from bridge.verbs.takers import Taken

logger = logging.getLogger(__name__)

LIST_MAX = 100
_FILE_PATH = re.compile(r"/files/(0|[1-9][0-9]{0,3})")


@dataclass(frozen=True)
class EventPage:
    """A page of events; `next_cursor` is None at the end."""

    events: list[Event]
    next_cursor: str | None


class Events:
    """Decides what becomes of events."""

    def __init__(self, store: EventStore, queue: Queue, schemas: SchemaCache) -> None:
        self._store = store
        self._queue = queue
        self._schemas = schemas

    async def find_aged(self, event_id: EventId) -> tuple[Event, int] | None:
        """Read an event of any server, and how long it has been here, in ms; None if unknown."""
        return await self._store.read_aged(event_id)

    async def find(self, server: str, event_id: str) -> Event:
        """Read one event of a server.

        Raises:
            NotFoundError: unknown, or another server's.
        """
        event = await self._store.read(EventId(event_id))
        if event is None or event.server != server:
            raise NotFoundError("no such event")
        return event

    async def read(self, server: str, event_id: str, path: str) -> Json | LongJson:
        """Read an event's payload, or the part of it that a JSON Pointer names."""
        found = await self._store.read_body(EventId(event_id))
        if found is None or found[0] != server:
            raise NotFoundError("no such event")
        payload = read_kept(found[1].content)
        if isinstance(payload, LongJson):
            return read_kept(await payload.text_at(path))
        return resolve(payload, path)

    async def read_file(
        self, server: str, event_id: str, path: str, offset: int, size_bytes: int
    ) -> FilePage | None:
        """Read a page of the file that `path` names; None if it names none, as most paths do.

        Raises:
            NotFoundError: the event is unknown or another server's, or came with fewer files.
        """
        part = await self.file_part(server, event_id, path, offset, size_bytes)
        if part is None:
            return None
        return file_page(part.content, offset, part.whole_bytes, is_text=part.is_text)

    async def file_part(
        self, server: str, event_id: str, path: str, offset: int, size_bytes: int
    ) -> FilePart | None:
        """Read bytes of the file that `path` names, as `read_file` does a page of them."""
        named = _FILE_PATH.fullmatch(path)
        found = await self._store.read_body(EventId(event_id)) if named else None
        if named is None or found is None or found[1].media_type != MEDIA_TYPE:
            return None
        file = await self.read(server, event_id, path)
        part, whole_bytes = await self._store.read_file(
            EventId(event_id), int(named[1]), offset, size_bytes
        )
        said = file if isinstance(file, dict) else {}
        is_text = said.get("encoding") == "text"
        return FilePart(part, whole_bytes, str(said.get("content_type", "")), is_text)

    async def list(
        self, server: Server, hook: str | None, status: EventStatus, limit: int, cursor: str | None
    ) -> EventPage:
        """List events, oldest first.

        Raises:
            MalformedError: the cursor is none.
        """
        wanted = min(max(limit, 1), LIST_MAX)
        hooks = [hook] if hook else list(server.hooks)
        events = await self._store.listed(
            server.name, hooks, status, order_after(cursor), wanted + 1
        )
        more = len(events) > wanted
        events = events[:wanted]
        return EventPage(events, str(events[-1].order) if more else None)

    async def reply(self, server: Server, held: LeaseRef, value: Json) -> ReplyStatus:
        """Settle an event with Claude's answer, as it was meant, and send it on its way.

        Raises:
            InvalidError: the answer breaks the hook's reply schema.
            LeaseLostError: the lease is not the newest one, or the event is settled.
        """
        event = await self.find(server.name, held.event_id)
        hook = server.hooks.get(event.hook)
        meant = await self._schemas.mended(
            hook.reply if hook else None, value, "the reply breaks this hook's schema"
        )
        taken_at_ms = await self._store.taken_at_ms(held.event_id) if are_spans_sent() else None
        outcome, status = await self._store.answer(held, encode(meant))
        _demand_held(outcome, status)
        if taken_at_ms is not None:
            name, part = f"lease {event.hook}", f"answer {event.attempt}"
            began_at_s = taken_at_ms / 1000
            EndedSpan(name, event.trace, event.event_id, began_at_s, event.names, part).record()
        if status == ReplyStatus.PENDING:
            await self._queue.wake("deliver_reply", held.event_id)
        _log("event.answered", held, hook=event.hook, reply_status=status)
        return ReplyStatus(status)

    async def extend(self, held: LeaseRef, seconds: float) -> int:
        """Return a lease more time from now on; returns its end in ms on Redis's clock."""
        outcome, status = await self._store.extend(held, seconds)
        _demand_held(outcome, status)
        return int(status)

    async def release(
        self, held: LeaseRef, *, reason: str, delay_s: float, dead: bool
    ) -> EventStatus:
        """Queue an event again, at once or later, or set it aside for people."""
        status = "dead" if dead else "delayed" if delay_s > 0 else "queued"
        outcome, now = await self._store.release(
            held, status=status, delay_s=delay_s, reason=reason
        )
        _demand_held(outcome, now)
        _log("event.released", held, status=now, delay_s=delay_s)
        return EventStatus.DEAD if now == EventStatus.DEAD else EventStatus.QUEUED


def _log(what: str, held: LeaseRef, **fields: object) -> None:
    whose = {"server": held.principal.server, "principal": held.principal.name}
    logger.info(what, extra={"event_id": held.event_id, **whose, **fields})


def _demand_held(outcome: str, status: str) -> None:
    if outcome == "lost" and status == "unknown":
        raise NotFoundError("no such event")
    if outcome == "own":
        raise ConflictError(
            "this event asks whether a call of yours may be run, and who asks for a call cannot "
            "approve it: release_event, for somebody else to answer"
        )
    if outcome == "decided":
        raise ConflictError(
            "this event asks whether a call may be run, and that was decided elsewhere or the call "
            "has ended: your answer changes nothing. Where the event is yours still, release_event "
            "with dead: true sets it aside"
        )
    if outcome == "lost":
        raise LeaseLostError(
            f"this lease no longer holds the event (it is {status}); take_event gives the next one"
        )


class Questions:
    """Decides what becomes of an event that is asked for by its id."""

    def __init__(self, store: ClaimStore, events: Events) -> None:
        self._store = store
        self._events = events

    async def take(
        self, server: Server, principal: Principal, event_id: str, origin: str = ""
    ) -> Taken:
        """Lease this very event.

        Raises:
            NotFoundError: unknown, or another server's.
            LeaseLostError: somebody else has taken it, or it is settled.
            PausedError: its hook is paused.
        """
        event = await self._events.find(server.name, event_id)
        token = new_lease_token()
        found = await self._store.take_one(event.event_id, principal, token, origin)
        if found is None:
            event = await self._events.find(server.name, event_id)
            if event.paused_at_ms:
                raise PausedError(f"{server.name}/{event.hook}", second(event.paused_at_ms))
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
            await self._events.reply(server, LeaseRef(event_id, taken.token, principal), value)
        except InvalidError:
            await self._store.abandon(event_id, taken.token)
            raise

    async def decline(self, server: Server, principal: Principal, event_id: EventId) -> None:
        """Set a question aside that whoever was asked will not answer."""
        taken = await self.take(server, principal, event_id)
        held = LeaseRef(event_id, taken.token, principal)
        await self._events.release(held, reason="declined by the user", delay_s=0, dead=True)

"""Events on record: typed faces of the steps that change them."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from bridge.errors import (
    ConflictError,
    Fault,
    FullError,
    InvalidError,
    TooManyError,
    TooManyTakersError,
)
from bridge.formats.file_pages import OFFSET_MAX
from bridge.formats.json_text import decode
from bridge.models import (
    Body,
    Event,
    EventId,
    EventStatus,
    LeaseToken,
    Principal,
    ProcessId,
)
from bridge.store import event_steps as step
from bridge.store import line_steps as line
from bridge.store.intake_steps import READ_FILE
from bridge.store.new_event import NewEvent
from bridge.store.replies import reply_of
from bridge.store.scripts import Answer, Steps

_LIMITS = {b"too many": TooManyError, b"full": FullError}
_NO_CALL = Fault("", "Bridge-Call-Id names no call of this server")
SWEEP_LIMIT = 200


@dataclass(frozen=True)
class Wish:
    """What a taker asks for: the server's hooks with their priorities; no `only` is any of them.

    It stands in line under the name `waiter` for `wait_s`, not at all for 0, and not as one more of
    its principal than `most`.
    """

    server: str
    hooks: Sequence[tuple[str, int]]
    only: Sequence[str]
    waiter: str
    wait_s: float = 0
    most: int = 1000


@dataclass(frozen=True)
class Held:
    """The right that a writer claims: an event's id, its lease's token and the principal."""

    event_id: EventId
    token: LeaseToken
    principal: Principal


class EventStore:
    """Speaks Redis for events."""

    def __init__(self, steps: Steps, process: ProcessId) -> None:
        self._steps = steps
        self._process = process

    async def accept(self, new: NewEvent) -> tuple[str, Event | None]:
        """Write an event once: `accepted`, or `duplicate` or `conflict` for a key seen before.

        `merged` gives the event that this one became part of.

        Raises:
            TooManyError, FullError: it is new, and one more than its limits allow.
        """
        outcome, *rest = await self._steps.run(step.ACCEPT, **new.values())
        if outcome == b"no call":
            raise InvalidError("nobody asks this", (_NO_CALL,))
        if outcome == b"call ended":
            raise ConflictError(f"the call that Bridge-Call-Id names has {rest[0].decode()}")
        if outcome in _LIMITS:
            raise _LIMITS[outcome](int(rest[0]) / 1000)
        return outcome.decode(), event_of(rest) if rest else None

    async def take(
        self, wish: Wish, principal: Principal, token: LeaseToken
    ) -> tuple[Event, Body] | None:
        """Lease the oldest event of the highest priority that no earlier waiter will get.

        None has who waits stand in line: the step that finds an event for it leases that with this
        token and wakes `taker:WAITER`, and to take again gives it.

        Raises:
            TooManyTakersError: as many of the principal wait as may.
        """
        found = await self._steps.run(
            line.TAKE,
            server=wish.server,
            hooks=json.dumps(wish.hooks),
            lines=json.dumps(_lines(wish), ensure_ascii=False),
            token=token,
            principal=principal.name,
            process=self._process,
            waiter=wish.waiter,
            wait_ms=math.ceil(wish.wait_s * 1000),
            most=wish.most,
        )
        if found and found[0] == b"too many":
            raise TooManyTakersError(wish.most, int(found[1]) / 1000)
        return _taken(found)

    async def take_one(
        self, event_id: EventId, principal: Principal, token: LeaseToken
    ) -> tuple[Event, Body] | None:
        """Lease this very event, past everyone in line; None when it is not queued."""
        found = await self._steps.run(
            line.TAKE_ONE,
            id=event_id,
            token=token,
            principal=principal.name,
            process=self._process,
        )
        return _taken(found)

    async def leave_line(self, waiter: str, token: LeaseToken) -> None:
        """Give up a waiter's place, and the event that it may just have been given."""
        await self._steps.run(line.LEAVE_LINE, process=self._process, waiter=waiter, token=token)

    async def waiting(self) -> tuple[int, list[str]]:
        """Count this process's waiters on record, and name those that have been given an event."""
        count, named = await self._steps.run(line.WAITING, process=self._process)
        return count, [waiter.decode() for waiter in named]

    async def match(self, server: str, hooks: Sequence[tuple[str, int]]) -> None:
        """Give events that are queued although somebody waits for them to whom they are for."""
        await self._steps.run(line.MATCH, server=server, hooks=json.dumps(hooks))

    async def read(self, event_id: EventId) -> Event | None:
        """Read one event without its payload."""
        found = await self._steps.run(step.READ, id=event_id)
        return event_of(found) if found else None

    async def read_aged(self, event_id: EventId) -> tuple[Event, int] | None:
        """Read one event without its payload, and how many ms ago it was received."""
        found = await self._steps.run(step.READ_AGED, id=event_id)
        return (event_of(found[1:]), int(found[0])) if found else None

    async def read_body(self, event_id: EventId) -> tuple[str, Body] | None:
        """Read the server and the payload of one event."""
        server, content, media_type = await self._steps.run(step.READ_BODY, id=event_id)
        return (server.decode(), Body(content, media_type.decode())) if server else None

    async def read_file(
        self, event_id: EventId, number: int, offset: int, size_bytes: int
    ) -> tuple[bytes, int]:
        """Read a part of a file that came with an event, and how long the whole is, in bytes."""
        first = min(offset, OFFSET_MAX)
        part, whole_bytes = await self._steps.run(
            READ_FILE, id=event_id, number=number, first=first, last=first + size_bytes - 1
        )
        return part, int(whole_bytes)

    async def listed(
        self, server: str, hooks: Sequence[str], status: EventStatus, after: int, limit: int
    ) -> list[Event]:
        """List at most `limit` events in the order they came, after the order number given."""
        statuses = [status, "delayed"] if status is EventStatus.QUEUED else [status]
        rows = await self._steps.run(
            step.LIST,
            server=server,
            hooks=json.dumps(list(hooks)),
            statuses=json.dumps(statuses),
            after=after,
            limit=limit,
        )
        return sorted((event_of(row) for row in rows), key=lambda event: event.order)[:limit]

    async def answer(self, held: Held, value: bytes) -> tuple[str, str]:
        """Settle an event: (`answered`, reply status) or (`lost`, status of the event)."""
        return _pair(await self._steps.run(step.ANSWER, value=value, **_claim(held)))

    async def extend(self, held: Held, seconds: float) -> tuple[str, str]:
        """Move the lease's end: (`extended`, end in ms) or (`lost`, status)."""
        return _pair(await self._steps.run(step.EXTEND, seconds=seconds, **_claim(held)))

    async def release(
        self, held: Held, *, status: str, delay_s: float = 0, reason: str = ""
    ) -> tuple[str, str]:
        """Give the lease back: (`released`, status) or (`lost`, status).

        The event goes to `queued`, `delayed` or `dead` as asked, or to `dead` after its last attempt.
        """
        answer = await self._steps.run(
            step.RELEASE,
            status=status,
            delay_ms=round(delay_s * 1000),
            reason=reason,
            **_claim(held),
        )
        return _pair(answer)

    async def handed_over(self, event_id: str, token: str) -> None:
        """Put on record that the taker has the event: its lease no longer ends with a process."""
        await self._steps.run(line.HANDED_OVER, id=event_id, token=token)

    async def hold(self, event_id: str, token: str) -> None:
        """Answer for an event on its way to its taker; one that came back is leased to it again."""
        await self._steps.run(line.HOLD, id=event_id, token=token, process=self._process)

    async def abandon(self, event_id: str, token: str) -> None:
        """Queue an event again whose taker never got it; the attempt is not counted.

        One that was handed over stays with its taker.
        """
        await self._steps.run(line.ABANDON, id=event_id, token=token)

    async def sweep(self) -> int:
        """Return events whose lease or delay ran out, expire those past their deadline."""
        leases = await self._steps.run(step.SWEEP_LEASES, limit=SWEEP_LIMIT)
        deadlines = await self._steps.run(step.SWEEP_DEADLINES, limit=SWEEP_LIMIT)
        return len(leases) + len(deadlines)


def _lines(wish: Wish) -> list[str]:
    return [f"hook-{hook}" for hook in wish.only] or ["any"]


def _taken(found: Answer) -> tuple[Event, Body] | None:
    if not found:
        return None
    _, body, *rows = found
    event = event_of(rows)
    return event, Body(body, event.media_type)


def _claim(held: Held) -> dict[str, str]:
    return {
        "id": held.event_id,
        "token": held.token,
        "server": held.principal.server,
        "principal": held.principal.name,
    }


def _pair(answer: Answer) -> tuple[str, str]:
    first, second = answer
    return first.decode(), second.decode()


def _text(value: bytes | None) -> str | None:
    return value.decode() if value else None


def event_of(rows: Answer) -> Event:
    """Read an event out of what a step gave."""
    fields, reply = rows
    event_id, server, hook, status, attempt, received_at, order, media_type, summary, *rest = fields
    reason, merged, execution, kept = rest
    return Event(
        event_id=EventId(event_id.decode()),
        server=server.decode(),
        hook=hook.decode(),
        status=EventStatus.QUEUED if status == b"delayed" else EventStatus(status.decode()),
        attempt=int(attempt),
        received_at_ms=int(received_at),
        order=int(order),
        media_type=media_type.decode(),
        summary=summary.decode(),
        reason=_text(reason),
        reply=reply_of(reply),
        merged=int(merged or 0),
        execution=(execution or b"").decode(),
        kept=decode(kept) if kept else {},
    )

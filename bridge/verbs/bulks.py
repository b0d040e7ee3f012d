"""Bulk acts: one act on many records, counted first and confirmed with the count.

The records that were counted are written down, and nothing else is ever acted on. Each is looked at
again in the step that acts on it: one that is not as it was asked for any more is left alone.
"""

import asyncio
import hashlib
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from bridge.configuration.servers import Server
from bridge.errors import ConflictError, MalformedError, NotFoundError, RejectedError
from bridge.log import audit
from bridge.models import (
    BulkId,
    CallId,
    CallStatus,
    EventId,
    EventStatus,
    ReplyStatus,
    new_bulk_id,
    new_lease_token,
)
from bridge.queue import Queue
from bridge.store.bulks import BulkRow, BulkStore, BulkTurn, NewBulk, check_of
from bridge.verbs.operators import EXPIRED
from bridge.verbs.pausing import CANCELLED
from bridge.verbs.records import RecordKind, Records, RecordSearch
from bridge.verbs.running_again import RunningAgain

MOST = 200_000
"""So many records one bulk act is done to at most."""
COUNT_WITHIN_S = 20.0
"""For how long records are counted before the count is cut off."""
AT_ONCE = 64
AGAIN_AT_ONCE = 8
"""So many records are acted on together, and so many are run again."""
TURN_S = 5.0
"""For how long a worker works on one bulk act before others have their turn."""
SAMPLE = 10


class ActKind(StrEnum):
    """What is done to each record."""

    REDRIVE = "redrive"
    RELEASE = "release"
    EXPIRE = "expire"
    CANCEL = "cancel"
    RUN_AGAIN = "run-again"


class BulkStatus(StrEnum):
    """How far a bulk act is."""

    COUNTED = "counted"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"

    @property
    def is_final(self) -> bool:
        """Report whether nothing more will be done."""
        return self in (BulkStatus.DONE, BulkStatus.STOPPED)


POSSIBLE: Mapping[tuple[RecordKind, ActKind], Sequence[str]] = {
    (RecordKind.EVENTS, ActKind.REDRIVE): (EventStatus.DEAD, EventStatus.EXPIRED),
    (RecordKind.EVENTS, ActKind.RELEASE): (EventStatus.LEASED,),
    (RecordKind.EVENTS, ActKind.EXPIRE): (EventStatus.QUEUED, EventStatus.LEASED),
    (RecordKind.EVENTS, ActKind.RUN_AGAIN): tuple(EventStatus),
    (RecordKind.CALLS, ActKind.CANCEL): (CallStatus.QUEUED, CallStatus.RUNNING),
    (RecordKind.CALLS, ActKind.RUN_AGAIN): tuple(CallStatus),
    (RecordKind.REPLIES, ActKind.REDRIVE): (ReplyStatus.DEAD,),
}
"""What can be done to many records, and in which statuses they must be for it."""

WHY = {
    "settled": "nothing was set aside: the event has its reply",
    "late": "the reply stays dead: n8n waits for it no more",
}
"""Why the store leaves a record as it is, by its word for that."""
WANTED = "wanted"
DEAD_REPLY = "dead_reply"


@dataclass(frozen=True)
class Bulk:
    """A bulk act as it stands; moments are in milliseconds since 1970.

    Of `count` records `done` were acted on, `changed` were not as asked for any more, and `refused`
    could not be; `reasons` are those of the first of them, each with an id. `is_cut` says that
    more were wanted than were counted. `is_held`: a process works on it right now.
    """

    bulk_id: BulkId
    kind: RecordKind
    act: ActKind
    by: str
    filter: Mapping[str, object]
    status: BulkStatus
    count: int
    is_cut: bool
    created_at_ms: int
    confirmed_by: str | None
    ended_at_ms: int | None
    stopped_by: str | None
    done: int
    changed: int
    refused: int
    reasons: Sequence[tuple[str, str]]
    is_held: bool

    @property
    def left(self) -> int:
        """How many have not been looked at yet."""
        return self.count - self.done - self.changed - self.refused

    @property
    def name(self) -> str:
        """What is done, as the audit and the command line name it."""
        return f"{self.kind} {self.act}"

    @classmethod
    def of(cls, row: BulkRow) -> "Bulk":
        """Return what a row of the store stands for."""
        return cls(
            bulk_id=row.bulk_id,
            kind=RecordKind(row.kind),
            act=ActKind(row.act),
            by=row.by,
            filter=json.loads(row.filter),
            status=BulkStatus(row.status),
            count=row.count,
            is_cut=row.is_cut,
            created_at_ms=row.created_at,
            confirmed_by=row.confirmed_by,
            ended_at_ms=row.ended_at,
            stopped_by=row.stopped_by,
            done=row.done,
            changed=row.changed,
            refused=row.refused,
            reasons=row.reasons(),
            is_held=row.is_held,
        )


@dataclass(frozen=True)
class Became:
    """What became of one record: `done`, `changed` or `refused`, and why."""

    record_id: str
    outcome: str
    why: str | None


Heard = Callable[[Became], None]


class Bulks:
    """Decides what is done to many records at once, and does it."""

    def __init__(
        self,
        store: BulkStore,
        records: Records,
        running_again: RunningAgain,
        queue: Queue,
        servers: Mapping[str, Server],
        result_ttl_s: int,
    ) -> None:
        self._store = store
        self._records = records
        self._again = running_again
        self._queue = queue
        self._servers = servers
        self._result_ttl_s = result_ttl_s

    async def count(
        self, kind: RecordKind, act: ActKind, wanted: RecordSearch, by: str, limit: int = MOST
    ) -> Bulk:
        """Choose the newest records that are wanted, at most `limit`, and change nothing yet.

        Raises:
            MalformedError: this is not done to such records, or not to any in these statuses.
            NotFoundError: there is no such server, hook or workflow; names those there are.
        """
        wanted = _possible(kind, act, wanted)
        asked = await self._records.wanted(kind, wanted)
        bulk_id, until = new_bulk_id(), time.monotonic() + COUNT_WITHIN_S
        most, before, count = min(limit, MOST), wanted.before, 0
        while count < most:
            chosen = await self._store.choose(bulk_id, asked, before, most)
            count, before = chosen.count, chosen.next
            if before is None or time.monotonic() >= until:
                break
        if not count and before is None:
            await self._records.demand_names(kind, wanted)
        await self._store.create(
            NewBulk(
                bulk_id=bulk_id,
                kind=kind,
                act=act,
                by=by,
                filter=json.dumps({name: it for name, it in asdict(wanted).items() if it}),
                check=json.dumps(check_of(asked)),
                is_cut=before is not None,
            )
        )
        return await self.read(bulk_id)

    async def read(self, bulk_id: str) -> Bulk:
        """Read how a bulk act stands.

        Raises:
            NotFoundError: there is none of this id, or no more.
        """
        row = await self._store.read(bulk_id)
        if row is None:
            raise NotFoundError(
                "no such bulk act, or no more: one that nobody confirms is kept 1 h"
            )
        return Bulk.of(row)

    async def listed(self, limit: int = 20) -> list[Bulk]:
        """List the newest bulk acts, newest first."""
        return [Bulk.of(row) for row in await self._store.listed(limit)]

    async def sample(self, bulk: Bulk) -> list[str]:
        """Name the newest of the records that are still to be acted on."""
        return await self._store.sample(bulk.bulk_id, SAMPLE)

    async def confirm(
        self, bulk_id: str, count: int, by: str, *, is_run_here: bool = False
    ) -> Bulk:
        """Let a bulk act begin whose count is this; the same again does nothing more.

        A worker does it, unless whoever confirms goes on with `run`.

        Raises:
            NotFoundError: there is none of this id, or no more.
            ConflictError: another count, or it was stopped.
        """
        waking = None if is_run_here else self._queue.waking("run_bulk", bulk_id)
        outcome = await self._store.confirm(bulk_id, count, by, waking)
        bulk = await self.read(bulk_id)
        if outcome == "differs":
            raise ConflictError(
                f"{bulk.count} were counted, not {count}: look at them again, and confirm with that"
            )
        if outcome == "stopped":
            raise ConflictError("it was stopped: count anew")
        return bulk

    async def stop(self, bulk_id: str, by: str) -> Bulk:
        """End a bulk act before its time; what it has done stays done.

        Raises:
            NotFoundError: there is none of this id, or no more.
            ConflictError: it is done.
        """
        outcome = await self._store.stop(bulk_id, by)
        bulk = await self.read(bulk_id)
        if outcome == "ended":
            raise ConflictError(f"it is done: {bulk.done} of {bulk.count}")
        _put_on_record(bulk, by, "stopped")
        return bulk

    async def due(self, limit: int, again_s: float) -> list[str]:
        """Name those that are to be gone on with; they are named again after a while."""
        return await self._store.sweep(limit, again_s)

    async def run(self, bulk_id: str, hear: Heard | None = None, turn_s: float = TURN_S) -> bool:
        """Work on a confirmed bulk act for about `turn_s`; True while some of it is left.

        One process at a time does; it hears what became of each record. All of it leaves one line
        in the audit, once it is done.
        """
        token = new_lease_token()
        if not await self._store.lease(BulkId(bulk_id), token):
            return False
        bulk, until = await self.read(bulk_id), time.monotonic() + turn_s
        at_once = AGAIN_AT_ONCE if bulk.act is ActKind.RUN_AGAIN else AT_ONCE
        while ids := await self._store.next(bulk.bulk_id, token, at_once):
            turns = (self._act(bulk, BulkTurn(bulk.bulk_id, token, each)) for each in ids)
            for became in await asyncio.gather(*turns):
                if hear and became.outcome != "lost":
                    hear(became)
            if time.monotonic() >= until:
                await self._store.rest(bulk.bulk_id, token)
                return True
        if ids is not None:
            _put_on_record(await self.read(bulk_id), bulk.confirmed_by or bulk.by, "done")
        return False

    async def _act(self, bulk: Bulk, turn: BulkTurn) -> Became:
        outcome, why = await self._once(bulk, turn), None
        if outcome in WHY:
            outcome, why = "refused", WHY[outcome]
        elif outcome == WANTED:
            why = await self._run_again(bulk, turn)
            outcome = "refused" if why else "done"
        else:
            return Became(turn.record_id, outcome, None)
        await self._store.ran(turn, outcome, why or "")
        return Became(turn.record_id, outcome, why)

    async def _once(self, bulk: Bulk, turn: BulkTurn) -> str:
        store, outcome = self._store, ""
        match bulk.act:
            case ActKind.RUN_AGAIN:
                return await store.begin(turn, is_call=bulk.kind is RecordKind.CALLS)
            case ActKind.CANCEL:
                return await store.cancel(turn, CANCELLED)
            case ActKind.RELEASE:
                return await store.release(turn, bulk.by)
            case ActKind.EXPIRE:
                return await store.expire(turn, EXPIRED)
            case ActKind.REDRIVE:
                if bulk.kind is RecordKind.EVENTS:
                    outcome = await store.redrive_event(turn)
                is_reply = bulk.kind is RecordKind.REPLIES or outcome == DEAD_REPLY
                return await store.redrive_reply(turn) if is_reply else outcome

    async def _run_again(self, bulk: Bulk, turn: BulkTurn) -> str | None:
        """Run a record again, and return why it cannot be.

        The new id follows from the record and the bulk act, so that a repeat makes no second one.
        """
        again, servers, new_id = self._again, self._servers, _derived(turn)
        try:
            if bulk.kind is RecordKind.CALLS:
                call_id, ttl_s = CallId(f"call_{new_id}"), self._result_ttl_s
                await again.run_call(turn.record_id, bulk.by, servers, ttl_s, new_id=call_id)
            else:
                event_id = EventId(f"evt_{new_id}")
                await again.run_event(turn.record_id, bulk.by, servers, new_id=event_id)
        except RejectedError as error:
            return str(error)
        return None


def _possible(kind: RecordKind, act: ActKind, wanted: RecordSearch) -> RecordSearch:
    """Return what is wanted with the statuses in which it can be done."""
    possible = POSSIBLE.get((kind, act))
    if possible is None:
        acts = ", ".join(each for of, each in POSSIBLE if of is kind)
        raise MalformedError(f"there is no {act} of {kind}; there are: {acts}")
    if unfit := [each for each in wanted.statuses if each not in possible]:
        fit = ", ".join(possible)
        raise MalformedError(f"no {act} of {kind} that are {unfit[0]}; only of those {fit}")
    return replace(wanted, statuses=tuple(map(str, wanted.statuses or possible)))


def _derived(turn: BulkTurn) -> str:
    """Return as many random bits as other ids have: those of the bulk act's own id."""
    digest = hashlib.sha256(f"{turn.bulk_id} {turn.record_id}".encode()).digest()
    return urlsafe_b64encode(digest[:16]).decode().rstrip("=")


def _put_on_record(bulk: Bulk, who: str, outcome: str) -> None:
    counts = {"done": bulk.done, "changed": bulk.changed, "refused": bulk.refused}
    measured = {f"{name}_count": count for name, count in counts.items()}
    audit(who, bulk.name, f"{bulk.bulk_id} {described(bulk.filter)}", outcome, **measured)


def described(chosen: Mapping[str, object]) -> str:
    """Return a filter for the audit, which shows no text of records: its place, then the rest."""
    place = f"{chosen.get('server', '*')}" + (f"/{chosen['part']}" if "part" in chosen else "")
    statuses = chosen.get("statuses")
    given = {
        "status": ",".join(statuses) if isinstance(statuses, list) else "",
        "principal": chosen.get("principal"),
        "since": chosen.get("since"),
        "before": chosen.get("before"),
        "search": "…" if "text" in chosen else "",
    }
    return " ".join([place, *(f"{name}={value}" for name, value in given.items() if value)])

"""Bulk acts: one act on many records, counted first and confirmed with the count.

The records that were counted are written down, and nothing else is ever acted on. Each is looked at
again in the step that acts on it: one that is not as it was asked for any more is left alone.
"""

import asyncio
import hashlib
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace

from bridge.configuration.servers import Server
from bridge.errors import ConflictError, MalformedError, NotFoundError, RejectedError
from bridge.log import audit
from bridge.models import BulkId, CallId, EventId, new_bulk_id, new_lease_token
from bridge.queue import Queue
from bridge.store.bulks import BulkStore, BulkTurn, NewBulk, check_of
from bridge.verbs.bulk_records import POSSIBLE, ActKind, Became, Bulk, described_filter
from bridge.verbs.operators import EXPIRED
from bridge.verbs.pausing import CANCELLED
from bridge.verbs.record_search import RecordKind, RecordSearch
from bridge.verbs.records import Records
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


WHY = {
    "settled": "nothing was set aside: the event has its reply",
    "late": "the reply stays dead: n8n waits for it no more",
}
"""Why the store leaves a record as it is, by its word for that."""
WANTED = "wanted"
DEAD_REPLY = "dead_reply"

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
    audit(who, bulk.name, f"{bulk.bulk_id} {described_filter(bulk)}", outcome, **measured)

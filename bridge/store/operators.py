"""What operators ask of the store: whatever there is, whomever it belongs to, and its history."""

import json
from collections.abc import Sequence
from dataclasses import replace

from bridge.models import Event, EventId, EventStatus, Json, Moment, Principal, Timeline
from bridge.store import event_steps as step
from bridge.store.events import event_of
from bridge.store.reply_steps import ATTEMPTS
from bridge.store.scripts import Answer, Script, Steps
from bridge.store.waiter_steps import OFFER

REDRIVE = Script(
    "id token",
    step.MOVE
    + OFFER
    + """
local e = fields(event_key(id), 'status', 'server', 'hook', 'open_s', 'ttl_s', 'redriven_with')
if not e.status then return {'unknown', ''} end
if e.redriven_with == token then return {'redriven', e.status} end
local is_settled = redis.call('HEXISTS', reply_key(id), 'value') == 1
if is_settled or (e.status ~= 'dead' and e.status ~= 'expired') then return {'refused', e.status} end
redis.call('HSET', event_key(id), 'attempt', 0, 'redriven_with', token)
redis.call('HDEL', event_key(id), 'reason')
for _, key in ipairs({event_key(id), reply_key(id)}) do redis.call('EXPIRE', key, math.ceil(e.open_s + e.ttl_s)) end
redis.call('ZADD', event_deadlines_key(), now + e.open_s * 1000, id)
move(id, 'queued')
note(event_key(id), 'redriven')
offer(e.server, e.hook)
return {'redriven', redis.call('HGET', event_key(id), 'status')}
""",
)

NOW = Script("", "return {string.format('%.0f', now)}")
HOOKS = Script("", "return redis.call('HKEYS', counters_key())")
CALLERS = Script("", "return redis.call('ZRANGE', callers_key(), 0, -1)")
OF_EVENT = Script(
    "id", "return redis.call('HMGET', event_key(id), 'received_at', 'timeline', 'left_out')"
)
OF_CALL = Script(
    "id", "return redis.call('HMGET', call_key(id), 'created_at', 'timeline', 'left_out')"
)


class OperatorStore:
    """Speaks Redis for operators."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def redrive(self, event_id: EventId, token: str) -> tuple[str, str]:
        """Queue a dead or expired event anew, all its attempts and its time before it.

        `redriven`, or `refused` for one that is open or has its answer, each with the status; or
        `unknown`. The same `token` again is the same wish.
        """
        outcome, status = await self._steps.run(REDRIVE, id=event_id, token=token)
        return outcome.decode(), status.decode()

    async def now_ms(self) -> int:
        """Read Redis's clock."""
        (now,) = await self._steps.run(NOW)
        return int(now)

    async def hooks(self) -> list[tuple[str, str]]:
        """Name each (server, hook) that has ever received an event, configured or not."""
        counted = [name.decode().split("|") for name in await self._steps.run(HOOKS)]
        return sorted({(name[1], name[2]) for name in counted if name[0] == "events"})

    async def callers(self) -> list[Principal]:
        """Name every principal whose calls may still be on record."""
        rows = [json.loads(row) for row in await self._steps.run(CALLERS)]
        return [Principal(server, name) for server, name in rows]

    async def events(
        self, hook: tuple[str, str], statuses: Sequence[EventStatus], after: int, limit: int
    ) -> list[Event]:
        """List at most `limit` events of one (server, hook) in the order they came."""
        kept = [*statuses, *(["delayed"] if EventStatus.QUEUED in statuses else [])]
        rows = await self._steps.run(
            step.LIST,
            server=hook[0],
            hooks=json.dumps([hook[1]]),
            statuses=json.dumps(kept),
            after=after,
            limit=limit,
        )
        return sorted((event_of(row) for row in rows), key=lambda event: event.order)[:limit]

    async def timeline_of_event(self, event_id: str) -> Timeline:
        """Read what happened to an event that is on record, and to its reply."""
        timeline = _timeline("accepted", await self._steps.run(OF_EVENT, id=event_id))
        tried = [_try(json.loads(row)) for row in await self._steps.run(ATTEMPTS, id=event_id)]
        moments = sorted((*timeline.moments, *tried), key=lambda moment: moment.at_ms)
        return replace(timeline, moments=tuple(moments))

    async def timeline_of_call(self, call_id: str) -> Timeline:
        """Read what happened to a call that is on record."""
        return _timeline("created", await self._steps.run(OF_CALL, id=call_id))


def _timeline(began: str, row: Answer) -> Timeline:
    """Read a timeline; that it began costs no line of its own, for the record says when."""
    began_at, lines, left_out = row
    if began_at is None:
        return Timeline((), 0)
    # A text that was cut may end in half a character.
    kept = (lines or b"").decode(errors="ignore").split("\n")[:-1]
    moments = (Moment(int(began_at), began, {}), *(_moment(json.loads(line)) for line in kept))
    return Timeline(moments, int(left_out or 0))


def _try(told: dict[str, Json]) -> Moment:
    """Read how one attempt to deliver a reply ended."""
    said = {"attempt": told["attempt"], "status": told["status"], "reason": told["failure"]}
    return Moment(
        int(str(told["at"])), "reply_tried", {name: is_ for name, is_ in said.items() if is_ != ""}
    )


def _moment(line: dict[str, Json]) -> Moment:
    at_ms, what = line.pop("at"), line.pop("what")
    return Moment(int(str(at_ms)), str(what), dict(sorted(line.items())))

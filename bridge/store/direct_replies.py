"""Replies that are handed over in the answer to the very request that brought the event."""

from bridge.models import Event, EventId, LeaseToken, ProcessId, ReplyStatus
from bridge.store.event_steps import READING
from bridge.store.events import event_of
from bridge.store.replies import HISTORY_MAX
from bridge.store.reply_steps import DROP, SETTLE
from bridge.store.scripts import Script, Steps

LOOK = Script(
    "id token process",
    READING
    + """
local status = redis.call('HGET', event_key(id), 'status')
if not status then return {} end
local r = redis.call('HMGET', reply_key(id), 'status', 'lease', 'url')
local is_open = status == 'queued' or status == 'delayed' or status == 'leased'
if r[3] and r[3] ~= '' and not r[2] and (is_open or r[1] == 'pending') then
  redis.call('HSET', reply_key(id), 'lease', token, 'holder', process)
  redis.call('ZREM', due_replies_key(), id)
  hold(process, 'reply ' .. id .. ' ' .. token)
end
return read(id)
""",
)

LET_GO = Script(
    "id token unknown",
    DROP
    + """
if not drop_lease(token) or redis.call('HGET', reply_key(id), 'status') ~= 'pending' then return {'none'} end
if unknown == '1' then redis.call('HSET', reply_key(id), 'unknown', 1) end
redis.call('ZADD', due_replies_key(), now, id)
return {'pending'}
""",
)


class DirectReplyStore:
    """Speaks Redis for them: whoever waits for a reply is its one sender meanwhile."""

    def __init__(self, steps: Steps, process: ProcessId) -> None:
        self._steps = steps
        self._process = process

    async def look(self, event_id: EventId, token: LeaseToken) -> Event | None:
        """Read an event, and become the sender of its reply if there may be one and is no other."""
        found = await self._steps.run(LOOK, id=event_id, token=token, process=self._process)
        return event_of(found) if found else None

    async def handed_over(self, event_id: EventId, token: LeaseToken) -> None:
        """Put on record that the reply has arrived; does nothing for who is not its sender."""
        await self._steps.run(
            SETTLE,
            id=event_id,
            token=token,
            status=ReplyStatus.DELIVERED,
            failure="handed over in the answer to its request",
            delay_ms=0,
            unknown=0,
            keep=HISTORY_MAX,
        )

    async def let_go(self, event_id: EventId, token: LeaseToken, *, unknown: bool) -> bool:
        """Leave the reply to its address; True if it is due now. `unknown`: it may have arrived."""
        answer = await self._steps.run(LET_GO, id=event_id, token=token, unknown=int(unknown))
        return answer == [b"pending"]

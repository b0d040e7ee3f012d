"""Replies on record: one sender at a time brings each to n8n."""

from dataclasses import dataclass

from bridge.models import EventId, LeaseToken, ProcessId, ReplyStatus
from bridge.store.scripts import Script, Steps

LEASE = Script(
    "id token process",
    """
local r = redis.call('HMGET', reply_key(id), 'status', 'lease', 'url', 'value', 'deadline', 'attempts',
  'unknown', 'answered_at')
if r[1] ~= 'pending' or (r[2] and r[2] ~= token) then return {} end
if r[2] ~= token then
  r[6] = redis.call('HINCRBY', reply_key(id), 'attempts', 1)
  redis.call('HSET', reply_key(id), 'lease', token, 'holder', process)
  redis.call('ZREM', due_replies_key(), id)
  hold(process, 'reply ' .. id .. ' ' .. token)
end
return {r[3], r[4], r[5], tostring(r[6]), r[7] or '0', string.format('%.0f', now - (r[8] or now)),
  redis.call('HGET', event_key(id), 'server'), redis.call('HGET', event_key(id), 'hook')}
""",
)

SETTLE = Script(
    "id token status failure delay_ms unknown",
    """
local r = redis.call('HMGET', reply_key(id), 'lease', 'holder')
if r[1] ~= token then return {'lost'} end
redis.call('HDEL', reply_key(id), 'lease')
redis.call('SREM', held_key(r[2]), 'reply ' .. id .. ' ' .. token)
if status ~= 'pending' then
  local e = redis.call('HMGET', event_key(id), 'server', 'hook')
  count(1, 'replies', e[1] or '', e[2] or '', status)
end
redis.call('HSET', reply_key(id), 'status', status, 'last_failure', failure, 'unknown', unknown)
if status == 'pending' then redis.call('ZADD', due_replies_key(), now + delay_ms, id) end
if status == 'delivered' then redis.call('HDEL', reply_key(id), 'url') end
ring('event:' .. id)
return {'settled'}
""",
)

ABANDON = Script(
    "id token",
    """
local r = redis.call('HMGET', reply_key(id), 'lease', 'holder')
if r[1] == token then
  redis.call('HDEL', reply_key(id), 'lease')
  redis.call('SREM', held_key(r[2]), 'reply ' .. id .. ' ' .. token)
  redis.call('HSET', reply_key(id), 'unknown', 1)
  redis.call('ZADD', due_replies_key(), now, id)
end
return {}
""",
)

SWEEP = Script(
    "limit again_ms",
    """
local due = redis.call('ZRANGEBYSCORE', due_replies_key(), '-inf', now, 'LIMIT', 0, limit)
for _, id in ipairs(due) do
  if redis.call('HGET', reply_key(id), 'status') == 'pending' then
    redis.call('ZADD', due_replies_key(), now + again_ms, id)
  else
    redis.call('ZREM', due_replies_key(), id)
  end
end
return due
""",
)


@dataclass(frozen=True)
class Sending:
    """One attempt to bring a reply to n8n; `unknown` says that an earlier one may have arrived."""

    event_id: EventId
    token: LeaseToken
    url: str
    value: bytes
    deadline: str
    attempt: int
    unknown: bool
    age_s: float
    server: str
    hook: str


class ReplyStore:
    """Speaks Redis for replies."""

    def __init__(self, steps: Steps, process: ProcessId) -> None:
        self._steps = steps
        self._process = process

    async def lease(self, event_id: EventId, token: LeaseToken) -> Sending | None:
        """Become the one sender of a pending reply, or get None when there is another or no need."""
        found = await self._steps.run(LEASE, id=event_id, token=token, process=self._process)
        if not found:
            return None
        url, value, deadline, attempt, unknown, age_ms, server, hook = found
        return Sending(
            event_id=event_id,
            token=token,
            url=url.decode(),
            value=value,
            deadline=deadline.decode(),
            attempt=int(attempt),
            unknown=unknown == b"1",
            age_s=int(age_ms) / 1000,
            server=server.decode(),
            hook=hook.decode(),
        )

    async def settle(
        self,
        sending: Sending,
        status: ReplyStatus,
        *,
        failure: str = "",
        delay_s: float = 0,
        unknown: bool = False,
    ) -> bool:
        """End an attempt; a pending reply is due again after `delay_s`. False: the lease was lost."""
        answer = await self._steps.run(
            SETTLE,
            id=sending.event_id,
            token=sending.token,
            status=status,
            failure=failure,
            delay_ms=round(delay_s * 1000),
            unknown=int(unknown),
        )
        return answer == [b"settled"]

    async def abandon(self, event_id: str, token: str) -> None:
        """Let another process send: the outcome of the last attempt is unknown."""
        await self._steps.run(ABANDON, id=event_id, token=token)

    async def sweep(self, limit: int, again_s: float) -> list[str]:
        """Name the replies that are due and not being sent; they are due again after `again_s`."""
        due = await self._steps.run(SWEEP, limit=limit, again_ms=round(again_s * 1000))
        return [event_id.decode() for event_id in due]

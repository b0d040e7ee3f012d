"""How inboxes and lists stand, so that a client is told of a change once, by any process."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.store.scripts import Script
from bridge.store.steps import Steps

LISTS_TTL_S = 30 * 24 * 3600
CHANGED_WITHIN_S = 600.0
"""For how long a list that changed is told to whoever opens a stream: they come back within it."""

# The counts grow with each event that comes, the sizes shrink with each that goes: no two different
# queues of a hook are told by the same four numbers.
STAND = """
local function stand(server, hook)
  local counted = 'events|' .. server .. '|' .. hook .. '|'
  local came = redis.call('HMGET', counters_key(), counted .. 'queued', counted .. 'delayed')
  return table.concat({came[1] or 0, came[2] or 0, redis.call('ZCARD', inbox_key(server, hook, 'queued')),
    redis.call('ZCARD', inbox_key(server, hook, 'delayed'))}, ' ')
end
"""

STANDS = Script(
    "server hooks",
    STAND
    + """
local rows = {}
for _, hook in ipairs(cjson.decode(hooks)) do rows[#rows + 1] = stand(server, hook) end
return rows
""",
)

HEAR = Script(
    "session server hook",
    STAND
    + """
if redis.call('EXISTS', session_key(session)) == 0 then return {} end
redis.call('HSETNX', session_key(session), 'hears:' .. hook, stand(server, hook))
ring('session:' .. session)
return {}
""",
)

HEAR_NO_MORE = Script(
    "session hook", "redis.call('HDEL', session_key(session), 'hears:' .. hook) return {}"
)

LOOK = Script(
    "session server",
    STAND
    + """
local known = redis.call('HGETALL', session_key(session))
if #known == 0 then return {} end
local inboxes, lists = {}, {}
for i = 1, #known, 2 do
  local hook, list = known[i]:match('^hears:(.*)$'), known[i]:match('^shown:(.*)$')
  if hook then inboxes[#inboxes + 1] = {hook, known[i + 1], stand(server, hook)} end
  if list then lists[#lists + 1] = {list, known[i + 1]} end
end
return {inboxes, lists}
""",
)

TOLD = Script(
    "session inboxes lists",
    """
if redis.call('EXISTS', session_key(session)) == 0 then return {} end
for hook, told in pairs(cjson.decode(inboxes)) do
  local field = 'hears:' .. hook
  if redis.call('HEXISTS', session_key(session), field) == 1 then redis.call('HSET', session_key(session), field, told) end
end
for list, digest in pairs(cjson.decode(lists)) do redis.call('HSET', session_key(session), 'shown:' .. list, digest) end
return {}
""",
)

CHANGED_LISTS = Script(
    "server lists within_ms ttl_s",
    """
local rows = {}
for list, digest in pairs(cjson.decode(lists)) do
  local known = redis.call('HGET', lists_key(server), list)
  if known ~= digest then
    redis.call('HSET', lists_key(server), list, digest)
    if known then redis.call('HSET', lists_key(server), list .. ' changed', now) end
  end
  local changed_at = redis.call('HGET', lists_key(server), list .. ' changed')
  if changed_at and now - changed_at < tonumber(within_ms) then rows[#rows + 1] = list end
end
redis.call('EXPIRE', lists_key(server), ttl_s)
return rows
""",
)


@dataclass(frozen=True)
class SubscribedInboxes:
    """What a session wants to hear of, and what of that is news to it.

    `inboxes` gives, by hook, how its inbox stands; `news` names those that stood otherwise when the
    session was last told. `shown` gives the digests of the lists that it was shown.
    """

    inboxes: dict[str, str]
    news: tuple[str, ...]
    shown: dict[str, str]


class InboxStore:
    """Speaks Redis for how inboxes and lists stand."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def stands(self, server: str, hooks: Sequence[str]) -> dict[str, str]:
        """Report how the queue of each hook stands: two are equal while nothing came or went."""
        rows = await self._steps.run(STANDS, server=server, hooks=json.dumps(list(hooks)))
        return {hook: row.decode() for hook, row in zip(hooks, rows, strict=True)}

    async def hear(self, session_id: str, server: str, hook: str) -> None:
        """Record that a session wants to hear of an inbox from now on."""
        await self._steps.run(HEAR, session=session_id, server=server, hook=hook)

    async def hear_no_more(self, session_id: str, hook: str) -> None:
        """Record that a session has heard enough of an inbox."""
        await self._steps.run(HEAR_NO_MORE, session=session_id, hook=hook)

    async def look(self, session_id: str, server: str) -> SubscribedInboxes | None:
        """Read what a session wants to hear of; None once it has ended."""
        found = await self._steps.run(LOOK, session=session_id, server=server)
        if not found:
            return None
        inboxes, lists = found
        rows = [(hook.decode(), told, stands) for hook, told, stands in inboxes]
        return SubscribedInboxes(
            inboxes={hook: stands.decode() for hook, _, stands in rows},
            news=tuple(sorted(hook for hook, told, stands in rows if told != stands)),
            shown={name.decode(): digest.decode() for name, digest in lists},
        )

    async def told(
        self, session_id: str, inboxes: Mapping[str, str], lists: Mapping[str, str]
    ) -> None:
        """Record what a session has been told of, by how it stood then."""
        await self._steps.run(
            TOLD,
            session=session_id,
            inboxes=json.dumps(dict(inboxes)),
            lists=json.dumps(dict(lists)),
        )

    async def changed_lists(self, server: str, lists: Mapping[str, str]) -> list[str]:
        """Name the lists that became what they are, by their digests, within CHANGED_WITHIN_S."""
        rows = await self._steps.run(
            CHANGED_LISTS,
            server=server,
            lists=json.dumps(dict(lists)),
            within_ms=round(CHANGED_WITHIN_S * 1000),
            ttl_s=LISTS_TTL_S,
        )
        return sorted(row.decode() for row in rows)

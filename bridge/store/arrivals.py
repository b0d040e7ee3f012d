"""Events in the order they came, whatever has become of them since, read on from any place."""

import json
from dataclasses import dataclass

from bridge.models import Event, EventStatus
from bridge.store.event_steps import READING
from bridge.store.events import event_of
from bridge.store.scripts import Script, Steps

STATUSES = (*EventStatus, "delayed")

# A place is an order number. While nothing comes it is moved on now and then, by taking a number
# that no event gets, so that a reader's place does not grow older than what is kept.
ARRIVED = Script(
    "server hook after limit kept_ms statuses",
    READING
    + """
local moment = clock[1] * 1000000 + clock[2]
local last = tonumber(redis.call('GET', order_key()) or 0)
if moment - last > 60000000 then last = tonumber(next_order()) end
if after == '' then return {string.format('%.0f', last), 0, {}, string.format('%.0f', last)} end
local oldest = moment - kept_ms * 1000
local is_cut = tonumber(after) < oldest
local from = string.format('%.0f', is_cut and oldest or after)
local rows = {}
for _, status in ipairs(cjson.decode(statuses)) do
  local inbox = inbox_key(server, hook, status)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', inbox, '(' .. from, '+inf', 'LIMIT', 0, limit)) do
    if redis.call('EXISTS', event_key(id)) == 1 then rows[#rows + 1] = read(id) end
  end
end
return {string.format('%.0f', math.max(last, from)), is_cut and 1 or 0, rows, from}
""",
)


@dataclass(frozen=True)
class Arrivals:
    """Some events in the order they came, from behind `start` up to `place`, where to read on.

    `is_cut` says that `start` is later than was asked for: what came before it is too old.
    """

    events: list[Event]
    start: str
    place: str
    has_more: bool
    is_cut: bool


class ArrivalStore:
    """Speaks Redis for what has come on a hook."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def after(
        self, server: str, hook: str, place: str | None, limit: int, kept_s: float
    ) -> Arrivals:
        """Read at most `limit` events behind a place, none older than `kept_s`.

        Without a place none are read: it is the one behind all that has come.
        """
        last, is_cut, rows, start = await self._steps.run(
            ARRIVED,
            server=server,
            hook=hook,
            after=place or "",
            limit=limit + 1,
            kept_ms=round(kept_s * 1000),
            statuses=json.dumps(STATUSES),
        )
        events = sorted((event_of(row) for row in rows), key=lambda event: event.order)
        has_more = len(events) > limit
        behind = str(events[limit - 1].order) if has_more else last.decode()
        return Arrivals(events[:limit], start.decode(), behind, has_more, bool(is_cut))

"""One circuit breaker an origin, shared by all workers: an n8n that fails is left in peace a while.

Closed: all go through. After FAILURES in a row it opens, and nobody sends. When that time is over
one probe goes through: it closes the circuit, or opens it again for twice as long.
"""

import json
from dataclasses import dataclass

from bridge.store.scripts import Script
from bridge.store.steps import Steps

FAILURES = 5
OPEN_FIRST_S, OPEN_CAP_S = 2.0, 30.0
PROBE_S = 60.0
"""How long a probe counts as under way: longer than any attempt takes."""
PROBE_LOOK_S = 1.0

_READING = """
local function circuit()
  local found = redis.call('HGET', breakers_key(), origin)
  return found and cjson.decode(found) or {failures = 0, times = 0, open_until = 0, seen = {}}
end
"""

ADMIT = Script(
    "origin token failures probe_ms look_ms",
    _READING
    + """
local c = circuit()
if c.failures < tonumber(failures) then return {0} end
if now < c.open_until then return {c.open_until - now} end
if c.probe and c.probe ~= token and now < c.probe_until then return {math.min(c.probe_until - now, look_ms)} end
c.probe, c.probe_until = token, now + probe_ms
redis.call('HSET', breakers_key(), origin, cjson.encode(c))
return {0}
""",
)

FAILED = Script(
    "origin token failures first_ms cap_ms",
    _READING
    + """
local c = circuit()
for _, seen in ipairs(c.seen) do if seen == token then return {'seen'} end end
c.failures = c.failures + 1
c.seen[#c.seen + 1] = token
if #c.seen > 20 then table.remove(c.seen, 1) end
local opens = c.failures >= tonumber(failures) and now >= c.open_until
if opens then
  c.open_until = now + math.min(first_ms * 2 ^ math.min(c.times, 30), cap_ms)
  c.times = c.times + 1
  c.probe = nil
  if c.times == 1 then count(1, 'reply_circuits_opened', origin) end
end
redis.call('HSET', breakers_key(), origin, cjson.encode(c))
return {opens and c.times == 1 and 'opened' or 'failed'}
""",
)

WORKED = Script("origin", "return {redis.call('HDEL', breakers_key(), origin)}")


@dataclass(frozen=True)
class Breakers:
    """Speaks Redis for circuit breakers."""

    steps: Steps

    async def admit(self, origin: str, token: str) -> float:
        """Return the seconds that a sender must stay away from an origin: 0 lets it send now."""
        (rest_ms,) = await self.steps.run(
            ADMIT,
            origin=origin,
            token=token,
            failures=FAILURES,
            probe_ms=round(PROBE_S * 1000),
            look_ms=round(PROBE_LOOK_S * 1000),
        )
        return float(rest_ms) / 1000

    async def failed(self, origin: str, token: str) -> bool:
        """Put on record that an origin took no request; tells whether this opened its circuit."""
        answer = await self.steps.run(
            FAILED,
            origin=origin,
            token=token,
            failures=FAILURES,
            first_ms=round(OPEN_FIRST_S * 1000),
            cap_ms=round(OPEN_CAP_S * 1000),
        )
        return answer == [b"opened"]

    async def worked(self, origin: str) -> bool:
        """Put on record that an origin answered, which closes its circuit; False: it was healthy."""
        return await self.steps.run(WORKED, origin=origin) == [1]


def is_open(circuit: bytes) -> bool:
    """Report whether a circuit, as it stands on record, keeps senders away but for a probe."""
    return bool(json.loads(circuit)["failures"] >= FAILURES)

-- One circuit breaker an origin, shared by all workers: an n8n that fails is left in peace a while.
--
-- Closed: all go through. After some failures in a row it opens, and nobody sends. When that time
-- is over one probe goes through: it closes the circuit, or opens it again for twice as long.
local clock = require 'clock'
local counters = require 'counters'
local keys = require 'keys'
local breakers = {}

-- So many of the last failures are remembered, so that none is counted twice.
breakers.SEEN_MAX = 20

-- The circuit of an origin, as it is kept in JSON; an origin that does not fail has none.
function breakers.circuit(origin)
  local found = redis.call('HGET', keys.breakers(), origin)
  return found and cjson.decode(found) or {failures = 0, times = 0, open_until = 0, seen = {}}
end

-- For how many milliseconds a sender must stay away from an origin; 0 lets it send now.
-- step breakers.admit(origin, token, failures: number, probe_ms: number, look_ms: number) -> int
function breakers.admit(origin, token, failures, probe_ms, look_ms)
  local c, now_ms = breakers.circuit(origin), clock.now_ms
  if c.failures < failures then return 0 end
  if now_ms < c.open_until then return c.open_until - now_ms end
  if c.probe and c.probe ~= token and now_ms < c.probe_until then
    return math.min(c.probe_until - now_ms, look_ms)
  end
  c.probe, c.probe_until = token, now_ms + probe_ms
  redis.call('HSET', keys.breakers(), origin, cjson.encode(c))
  return 0
end

-- Record that an origin took no request; returns whether this opened its circuit.
-- step breakers.failed(origin, token, failures: number, first_ms: number, cap_ms: number) -> bool
function breakers.failed(origin, token, failures, first_ms, cap_ms)
  local c = breakers.circuit(origin)
  for _, seen in ipairs(c.seen) do
    if seen == token then return false end
  end
  c.failures = c.failures + 1
  c.seen[#c.seen + 1] = token
  if #c.seen > breakers.SEEN_MAX then table.remove(c.seen, 1) end
  local opens = c.failures >= failures and clock.now_ms >= c.open_until
  if opens then
    c.open_until = clock.now_ms + math.min(first_ms * 2 ^ math.min(c.times, 30), cap_ms)
    c.times = c.times + 1
    c.probe = nil
    if c.times == 1 then counters.add(1, 'reply_circuits_opened', origin) end
  end
  redis.call('HSET', keys.breakers(), origin, cjson.encode(c))
  return opens and c.times == 1
end

-- Record that an origin answered, which closes its circuit; false: it was healthy.
-- step breakers.worked(origin) -> bool
function breakers.worked(origin) return redis.call('HDEL', keys.breakers(), origin) == 1 end

return breakers

-- Redis's clock, read once a step: all that one step writes bears the same moment, and no process
-- needs a clock of its own that is right.
local keys = require 'keys'
local layouts = require 'layouts'
local clock = {}

-- Seconds since 1970, and the microseconds beside them.
clock.time = redis.call('TIME')

-- Milliseconds since 1970.
clock.now_ms = clock.time[1] * 1000 + math.floor(clock.time[2] / 1000)

-- Microseconds since 1970. As a number it is exact; as a text Lua rounds it to 14 digits, so it
-- becomes one by `clock.digits`.
clock.now_us = clock.time[1] * 1000000 + clock.time[2]

-- What of an index by moments is due by now: at most `limit` members, the longest due first.
function clock.due(index, limit)
  return redis.call('ZRANGEBYSCORE', index, '-inf', clock.now_ms, 'LIMIT', 0, limit)
end

-- All digits of a whole number.
function clock.digits(number) return string.format('%.0f', number) end

-- The last order number given.
clock.last_order = tonumber(layouts.kept[2] or 0)

-- The next order number, as a text: microseconds since 1970, but always more than the one before,
-- also while Redis's clock stands still or is set back.
function clock.next_order()
  clock.last_order = math.max(clock.now_us, clock.last_order + 1)
  return clock.digits(clock.last_order)
end

-- Write the last order number given, once behind all runs of a step (OWED in assembly.py).
function clock.write_order()
  if clock.last_order == tonumber(layouts.kept[2] or 0) then return end
  redis.call('SET', keys.order(), clock.digits(clock.last_order))
end

return clock

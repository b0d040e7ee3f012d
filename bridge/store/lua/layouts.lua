-- Layouts: how the records of the store are laid out. A layout is a number, and the store has one,
-- in which all that is new is written and which every process reads.
local keys = require 'keys'
local layouts = {}

-- The layout of the store, the last order number given (clock.last_order), and what is paused
-- (pauses.at), read at once.
layouts.kept = redis.call('MGET', keys.layout(), keys.order(), keys.paused())

-- The layout of the store, which each new record names in `v`; one that names none is in the first.
-- Every step begins with a look at it (GUARD in layout.py): of a later one it takes nothing.
layouts.now = tonumber(layouts.kept[1] or 1)

-- Go on to the latest layout that every process reads, those included that have fallen silent, for
-- they may go on. Return it where it is another than before. `newest` is what the leader reads.
function layouts.raise(newest)
  if layouts.now >= newest then return end
  local readable = newest
  for _, process in ipairs(redis.call('ZRANGE', keys.processes(), 0, -1)) do
    readable = math.min(readable, tonumber(process:match('@(%d+)$') or 1))
  end
  if readable <= layouts.now then return end
  redis.call('SET', keys.layout(), readable)
  return readable
end

return layouts

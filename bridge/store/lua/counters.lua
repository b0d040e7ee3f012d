-- Totals, counted in the very steps that change things: none is lost, and none is counted twice.
local keys = require 'keys'
local counters = {}

-- What was added to each total, and is not written yet.
counters.added = {}

-- Add to a total, which is named by its labels.
function counters.add(by, ...)
  local name = table.concat({...}, '|')
  counters.added[name] = (counters.added[name] or 0) + by
end

-- The class of a time in a histogram: at most 2 ^ class milliseconds, more than half of them. It
-- stands in the name of a total that is counted anyway, so it costs no command.
function counters.class(ms) return select(2, math.frexp(math.max(ms, 1) - 0.5)) end

-- Write what was added, once behind all runs of a step (OWED in assembly.py).
function counters.write()
  for name, by in pairs(counters.added) do redis.call('HINCRBY', keys.counters(), name, by) end
end

return counters

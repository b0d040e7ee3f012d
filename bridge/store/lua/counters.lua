-- Totals, counted in the very steps that change things: none is lost, and none is counted twice.
local keys = require 'keys'
local counters = {}

-- Add to a total, which is named by its labels.
function counters.add(by, ...)
  redis.call('HINCRBY', keys.counters(), table.concat({...}, '|'), by)
end

return counters

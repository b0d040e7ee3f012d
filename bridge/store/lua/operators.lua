-- What operators ask beside the records themselves.
local clock = require 'clock'
local keys = require 'keys'
local operators = {}

-- Read Redis's clock.
-- step operators.now_ms() -> int
function operators.now_ms() return clock.now_ms end

-- Name every total that was ever counted, and by that every hook that ever received an event.
-- step operators.totals() -> [text]
function operators.totals() return redis.call('HKEYS', keys.counters()) end

-- Name the principals whose calls may still be on record, each as JSON.
-- step operators.callers() -> [text]
function operators.callers() return redis.call('ZRANGE', keys.callers(), 0, -1) end

return operators

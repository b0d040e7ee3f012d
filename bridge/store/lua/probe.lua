-- A trial of the store before anything relies on it.
local keys = require 'keys'
local signals = require 'signals'
local probe = {}

-- Write and wake as steps do, and change nothing.
-- step probe.write() -> nothing
function probe.write()
  redis.call('SET', keys.order(), redis.call('GET', keys.order()) or 0)
  signals.notify('probe')
end

return probe

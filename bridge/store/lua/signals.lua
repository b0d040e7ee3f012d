-- Signals to processes that wait for a change. One may be lost, so whoever waits also looks again.
local keys = require 'keys'
local signals = {}

-- What was said already: what is heard of a step is heard behind all of it, so once is enough.
signals.said = {}

-- Notify all who wait for `name`, in every process.
function signals.notify(name)
  if signals.said[name] then return end
  signals.said[name] = true
  redis.call('PUBLISH', keys.wake_channel(), name)
end

return signals

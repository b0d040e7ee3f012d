-- Signals to processes that wait for a change. One may be lost, so whoever waits also looks again.
local keys = require 'keys'
local signals = {}

-- What was said by `notify_once`.
signals.said = {}

-- Notify all who wait for `name`, in every process.
function signals.notify(name) redis.call('PUBLISH', keys.wake_channel(), name) end

-- Notify them by the first of several runs of a step, for they hear of it behind the last one.
function signals.notify_once(name)
  if not signals.said[name] then signals.notify(name) end
  signals.said[name] = true
end

return signals

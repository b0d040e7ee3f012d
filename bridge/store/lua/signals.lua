-- Signals to processes that wait for a change. One may be lost, so whoever waits also looks again.
local keys = require 'keys'
local signals = {}

-- Notify all who wait for `name`, in every process.
function signals.notify(name) redis.call('PUBLISH', keys.wake_channel(), name) end

return signals

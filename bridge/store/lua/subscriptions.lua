-- Webhook subscriptions: receivers outside that are sent what comes on a hook.
local clock = require 'clock'
local keys = require 'keys'
local signals = require 'signals'
local subscriptions = {}

-- Have all be sent what has just come on a hook. One that rests after a failure is let rest.
function subscriptions.wake(server, hook)
  local found = redis.call('ZRANGEBYSCORE', keys.subscribers(server, hook), clock.now_ms, '+inf')
  for _, subscription_id in ipairs(found) do
    redis.call('ZADD', keys.due_subscriptions(), 'NX', clock.now_ms, subscription_id)
  end
  if #found > 0 then signals.notify('due_subscriptions') end
end

return subscriptions

-- A process that ends in good order: what it leaves is for others at once.
local claims = require 'claims'
local keys = require 'keys'
local processes = require 'processes'
local signals = require 'signals'
local waiters = require 'waiters'
local leaving = {}

-- Forget a process but for what it still holds. Takers that were given an event and have not come
-- for it yet never will, so it goes to the next in line.
-- step leaving.leave(process) -> nothing
function leaving.leave(process)
  redis.call('ZREM', keys.processes(), process)
  for _, waiter in ipairs(redis.call('SMEMBERS', keys.named(process))) do
    local taker = waiters.leave_lines(process, waiter)
    if taker then claims.abandon_taken(taker.token) end
  end
  redis.call('UNLINK', keys.takers(process), keys.named(process), keys.report(process))
  redis.call('HDEL', keys.places(), process)
  local holds_more = redis.call('EXISTS', keys.held(process)) == 1
  if holds_more then redis.call('ZADD', keys.processes(), 0, process) end
  signals.notify(processes.DIED)
end

return leaving

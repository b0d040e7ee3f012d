-- Resting: queued calls of a paused workflow, until it is resumed.
local calls = require 'calls'
local clock = require 'clock'
local keys = require 'keys'
local places = require 'places'
local records = require 'records'
local runs = require 'runs'
local resting = {}

-- Have a queued call of a paused workflow stand in line without slot and place, and rest its time:
-- in how many milliseconds it is to be looked at again, 0 if it may go on. Resuming wakes it.
-- step resting.take(call_id, look_again_ms: number) -> int
function resting.take(call_id, look_again_ms)
  local call, c = keys.call(call_id), runs.read(call_id)
  if not calls.seen(call_id, c).paused_at then return 0 end
  local more, line = records.fields(call, 'order', 'started_at'), keys.turns(c.server, c.workflow)
  runs.make_room(call_id, c)
  places.pass_on()
  redis.call('ZADD', line, more.order, call_id)
  if more.started_at then redis.call('HSETNX', call, 'rests_since', clock.now_ms) end
  redis.call('EXPIRE', call, calls.life_s(c.ttl_s, c.timeout_ms))
  local waits_ms = look_again_ms + 100 * redis.call('ZRANK', line, call_id)
  redis.call('ZADD', keys.due_calls(), clock.now_ms + waits_ms, call_id)
  return waits_ms
end

return resting

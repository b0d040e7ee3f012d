-- Totals, as they are read all together, beside what is there right now.
local clock = require 'clock'
local keys = require 'keys'
local processes = require 'processes'
local totals = {}

-- Read every total, and the size of the inboxes of some hooks, each {server, hook}.
-- step totals.read(hooks: json) -> {counted: [text], inboxes: [{server, hook, status, size}],
--   due_calls, due_replies, live_processes, breakers: [text], identity?}
function totals.read(hooks)
  local inboxes = {}
  for _, at in ipairs(hooks) do
    for _, status in ipairs({'queued', 'delayed', 'leased', 'dead'}) do
      local size = redis.call('ZCARD', keys.inbox(at[1], at[2], status))
      inboxes[#inboxes + 1] = {server = at[1], hook = at[2], status = status, size = size}
    end
  end
  local since = clock.now_ms - processes.LIFE_MS
  return {
    counted = redis.call('HGETALL', keys.counters()), inboxes = inboxes,
    due_calls = redis.call('ZCARD', keys.due_calls()),
    due_replies = redis.call('ZCARD', keys.due_replies()),
    live_processes = redis.call('ZCOUNT', keys.processes(), since, '+inf'),
    breakers = redis.call('HGETALL', keys.breakers()),
    identity = redis.call('GET', keys.identity()),
  }
end

return totals

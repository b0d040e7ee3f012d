-- Totals, as they are read all together, beside what is there right now.
local clock = require 'clock'
local keys = require 'keys'
local pauses = require 'pauses'
local processes = require 'processes'
local totals = {}

-- Read every total, how the inboxes of some hooks stand, each {server, hook}, and how many calls of
-- some workflows run or wait for their turn, each {server, workflow}.
-- step totals.read(hooks: json, workflows: json) -> {counted: [text],
--   inboxes: [{server, hook, status, size}], oldest: [{server, hook, age_ms: int}],
--   calls: [{server, workflow, running, waiting}], due_calls, unapproved, due_replies,
--   dead_replies, late_ms: int, sessions, live_processes: [text], breakers: [text], identity?,
--   memory: [text], paused?, alerts: [text]}
function totals.read(hooks, workflows)
  local inboxes, oldest = totals.inboxes(hooks)
  local due = redis.call('ZRANGE', keys.due_calls(), 0, 0, 'WITHSCORES')[2]
  return {
    counted = redis.call('HGETALL', keys.counters()), inboxes = inboxes, oldest = oldest,
    calls = totals.calls(workflows), due_calls = redis.call('ZCARD', keys.due_calls()),
    unapproved = redis.call('ZCARD', keys.approvals()),
    due_replies = redis.call('ZCARD', keys.due_replies()), dead_replies = totals.dead_replies(),
    late_ms = math.max(clock.now_ms - (due or clock.now_ms), 0),
    sessions = redis.call('ZCARD', keys.sessions()),
    live_processes = redis.call('ZRANGEBYSCORE', keys.processes(),
      clock.now_ms - processes.LIFE_MS, '+inf'),
    breakers = redis.call('HGETALL', keys.breakers()),
    identity = redis.call('GET', keys.identity()), memory = totals.memory(),
    paused = pauses.read(), alerts = redis.call('HGETALL', keys.alerts()),
  }
end

-- The sizes of the inboxes of some hooks, and how long ago the oldest came that is queued in each.
function totals.inboxes(hooks)
  local sizes, oldest = {}, {}
  for _, at in ipairs(hooks) do
    for _, status in ipairs({'queued', 'delayed', 'leased', 'dead'}) do
      local size = redis.call('ZCARD', keys.inbox(at[1], at[2], status))
      sizes[#sizes + 1] = {server = at[1], hook = at[2], status = status, size = size}
    end
    local order = redis.call('ZRANGE', keys.inbox(at[1], at[2], 'queued'), 0, 0, 'WITHSCORES')[2]
    local age_ms = order and math.max(clock.now_ms - order / 1000, 0) or 0
    oldest[#oldest + 1] = {server = at[1], hook = at[2], age_ms = age_ms}
  end
  return sizes, oldest
end

-- How many replies are dead. Those first in their list are gone from it once they have expired.
function totals.dead_replies()
  local dead = keys.dead_replies()
  for _, oldest in ipairs(redis.call('ZRANGE', dead, 0, 99)) do
    if redis.call('EXISTS', keys.reply(oldest)) == 1 then break end
    redis.call('ZREM', dead, oldest)
  end
  return redis.call('ZCARD', dead)
end

-- How many calls of some workflows hold a slot, and how many wait for one.
function totals.calls(workflows)
  local rows = {}
  for _, at in ipairs(workflows) do
    rows[#rows + 1] = {server = at[1], workflow = at[2],
      running = redis.call('ZCOUNT', keys.slots(at[1], at[2]), clock.now_ms, '+inf'),
      waiting = redis.call('ZCARD', keys.turns(at[1], at[2]))}
  end
  return rows
end

-- How much memory the store has and may have, as names and values; nothing where it is not told.
function totals.memory()
  local info, found = redis.pcall('INFO', 'memory'), {}
  for _, name in ipairs(type(info) == 'string' and {'used_memory', 'maxmemory'} or {}) do
    found[#found + 1] = name
    found[#found + 1] = info:match(name .. ':(%d+)') or '0'
  end
  return found
end

return totals

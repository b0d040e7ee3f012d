-- Who is there, as operators look at it: processes with what they say of themselves, and takers
-- that wait.
local clock = require 'clock'
local keys = require 'keys'
local processes = require 'processes'
local presence = {}

-- Read every process that is on record, for how long it has been silent, and its last report. One
-- that has ended and still holds something has been silent since ever.
-- step presence.processes() -> [{process, silent_ms: int, report?}]
function presence.processes()
  local rows, found = {}, redis.call('ZRANGE', keys.processes(), 0, -1, 'WITHSCORES')
  for i = 1, #found, 2 do
    rows[#rows + 1] = {process = found[i], silent_ms = math.max(clock.now_ms - found[i + 1], 0),
      report = redis.call('GET', keys.report(found[i])) or nil}
  end
  return rows
end

-- Count the takers that stand in a line at processes that live.
function presence.length(server, line)
  local count = 0
  for _, process in ipairs(redis.call('ZRANGE', keys.line(server, line), 0, -1)) do
    if processes.lives(process) then
      count = count + redis.call('ZCARD', keys.waiters(server, line, process))
    end
  end
  return count
end

-- Count the takers that wait for an event of some hooks, each {server, hook}; where the hook is
-- empty, those that take of any. One that names several hooks counts for each.
-- step presence.takers(hooks: json) -> [{server, hook, waiting}]
function presence.takers(hooks)
  local rows = {}
  for i, at in ipairs(hooks) do
    local line = at[2] == '' and 'any' or 'hook-' .. at[2]
    rows[i] = {server = at[1], hook = at[2], waiting = presence.length(at[1], line)}
  end
  return rows
end

return presence

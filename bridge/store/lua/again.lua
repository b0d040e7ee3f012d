-- Running again as new: a record of its own, made of an earlier one; each names the other.
local calls = require 'calls'
local keys = require 'keys'
local timeline = require 'timeline'
local again = {}

-- Have the timelines of two records name each other.
function again.link(from, of, to, as, by)
  timeline.add(from, 'run_again', {by = by, as = as})
  timeline.add(to, 'runs_again', {by = by, of = of})
end

-- Put a new call on record that runs an earlier one again; nothing where that is gone.
-- step again.call(of, by, new: {call_id, server, caller, workflow, arguments, max_attempts,
--   idempotent: bool, ttl_s: number, attach, attach_use, attach_ms: number, promised: bool, secret,
--   concurrency, rate_count, rate_ms, timed_as, timeout_ms: number, trace, origin, approval,
--   approval_ms: number, more: json}) -> calls.find?
function again.call(of, by, new)
  local call = keys.call(new.call_id)
  if redis.call('EXISTS', keys.call(of)) == 0 then return end
  if redis.call('EXISTS', call) == 0 then
    calls.write(new)
    again.link(keys.call(of), of, call, new.call_id, by)
  end
  return calls.find(new.call_id)
end

-- Have an event and the one that was made of it name each other, once.
-- step again.link_events(of, event_id, by) -> nothing
function again.link_events(of, event_id, by)
  local lines = redis.call('HGET', keys.event(event_id), 'timeline') or ''
  if timeline.last(lines, 'runs_again') then return end
  again.link(keys.event(of), of, keys.event(event_id), event_id, by)
end

-- Copy the files of an event for one that is about to be made of it, and lives for so many seconds.
-- step again.copy_files(of, event_id, lives_s: number) -> nothing
function again.copy_files(of, event_id, lives_s)
  local number = 0
  while redis.call('COPY', keys.file(of, number), keys.file(event_id, number)) == 1 do
    redis.call('EXPIRE', keys.file(event_id, number), lives_s)
    number = number + 1
  end
end

return again

-- Asking: what becomes of the questions of a call that need no answer any more.
local events = require 'events'
local keys = require 'keys'
local records = require 'records'
local asking = {}

-- Set the questions of a call aside that has ended and that nobody has taken; of one that goes on,
-- the question whether it may be run. It is looked at for that no more.
function asking.set_aside(call_id, reason)
  local c = records.fields(keys.call(call_id), 'status', 'approval_event')
  local goes_on = c.status == 'queued' or c.status == 'running'
  local ids = goes_on and {c.approval_event} or redis.call('ZRANGE', keys.questions(call_id), 0, -1)
  for _, event_id in ipairs(ids) do
    local e = records.fields(keys.event(event_id), unpack(events.MOVED))
    if e.status == 'queued' or e.status == 'delayed' then
      redis.call('ZREM', keys.event_leases(), event_id)
      events.move(event_id, e, 'dead', 'set_aside', {reason = reason}, 'reason', reason)
    end
  end
  redis.call('ZREM', keys.approvals(), call_id)
end

return asking

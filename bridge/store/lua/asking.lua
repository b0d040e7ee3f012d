-- Asking: what becomes of the questions of a call that need no answer any more.
local approvals = require 'approvals'
local events = require 'events'
local keys = require 'keys'
local records = require 'records'
local asking = {}

-- Set the questions of a call aside that has ended and that nobody has taken; of one that goes on,
-- the question whether it may be run. Who has taken that one has it no more, for its answer would
-- decide nothing.
-- step asking.set_aside(call_id, reason) -> nothing
function asking.set_aside(call_id, reason)
  local c = records.fields(keys.call(call_id), 'status', 'approval', 'approved_at',
    'approval_event')
  local goes_on = c.status == 'queued' or c.status == 'running'
  if goes_on and approvals.bars(c) then return end
  local ids = goes_on and {} or redis.call('ZRANGE', keys.questions(call_id), 0, -1)
  for _, event_id in ipairs(ids) do asking.end_question(event_id, reason, false) end
  local is_made = not c.approval_event or asking.end_question(c.approval_event, reason, true)
  if is_made or not goes_on then redis.call('ZREM', keys.approvals(), call_id) end
end

-- Set a question aside; one that was taken only if that is said. Is there such an event?
function asking.end_question(event_id, reason, even_taken)
  local e = records.fields(keys.event(event_id), 'lease', 'holder', unpack(events.MOVED))
  if e.status == 'queued' or e.status == 'delayed' or even_taken and e.status == 'leased' then
    events.end_lease(event_id, e.lease, e.holder)
    events.move(event_id, e, 'dead', 'set_aside', {reason = reason}, 'reason', reason)
  end
  return e.status
end

return asking

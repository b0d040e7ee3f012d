-- Approvals: calls that wait until somebody agrees to what they would do.
--
-- Such a call is not due, and has no limit of time (`timeout_ms`) before it is approved. Without it
-- no attempt begins, whatever leads to the call, nor by the steps of versions from before this.
local keys = require 'keys'
local records = require 'records'
local approvals = {}

-- Must a call, of which `approval` and `approved_at` were read, not be run as it is?
function approvals.bars(c) return c.approval and not c.approved_at end

-- Is an event the question whether a call of this very principal may be run?
function approvals.is_own(event_id, call_id, principal)
  if not call_id or call_id == '' then return false end
  local c = records.fields(keys.call(call_id), 'approval', 'approved_at', 'approval_event',
    'principal')
  return approvals.bars(c) and c.approval_event == event_id and c.principal == principal
end

return approvals

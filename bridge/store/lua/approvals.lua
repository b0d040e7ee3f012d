-- Approvals: calls that wait until somebody agrees to what they would do.
--
-- Such a call is not due, and has no limit of time (`timeout_ms`) before it is approved. Without it
-- no attempt begins, whatever leads to the call, nor by the steps of versions from before this.
local keys = require 'keys'
local records = require 'records'
local approvals = {}

-- Must a call, of which `approval` and `approved_at` were read, not be run as it is?
function approvals.bars(c) return c.approval and not c.approved_at end

-- Why an event that asks whether a call may be run is not answered by a principal: `own`, for that
-- one has made the call, or `decided`; nil where it is, and for any other event.
function approvals.refusal(event_id, call_id, principal)
  if not call_id or call_id == '' then return end
  local c = records.fields(keys.call(call_id), 'status', 'approval', 'approved_at',
    'approval_event', 'principal')
  if c.approval_event ~= event_id then return end
  if c.status ~= 'queued' or not approvals.bars(c) then return 'decided' end
  return c.principal == principal and 'own' or nil
end

return approvals

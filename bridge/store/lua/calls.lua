-- Calls: one run of a workflow each, from the wish to its result.
local clock = require 'clock'
local keys = require 'keys'
local layouts = require 'layouts'
local pauses = require 'pauses'
local questions = require 'questions'
local records = require 'records'
local signals = require 'signals'
local timeline = require 'timeline'
local calls = {}

-- What is read of the record itself; the arguments come first, for lists leave them out. `approval`
-- is what must be approved and by whom, where something must, `verdict` the decision: both as JSON.
calls.FIELDS = {
  'arguments', 'server', 'principal', 'workflow', 'status', 'attempt', 'order', 'created_at',
  'updated_at', 'finished_at', 'sent_at', 'failure', 'progress', 'message', 'blame', 'awaited_by',
  'execution', 'trace', 'shared_task', 'approval', 'verdict',
}

-- A call as every step returns it; `paused_at` says since when its workflow is, while it waits for
-- that; one whose execution is known is followed on. A call that is not there has no fields.
-- table calls.find(call_id) -> {call_id, age_ms, calls.FIELDS, paused_at?}
function calls.find(call_id)
  return calls.seen(call_id, records.fields(keys.call(call_id), 'ttl_s', unpack(calls.FIELDS)))
end

-- The same of a call that was read; one whose result was dropped has expired.
function calls.seen(call_id, c)
  if c.finished_at and clock.now_ms > c.finished_at + c.ttl_s * 1000 then c.status = 'expired' end
  c.call_id, c.age_ms = call_id, (c.finished_at or clock.now_ms) - (c.created_at or clock.now_ms)
  local is_new = c.status == 'queued' and not c.execution and c.workflow
  c.paused_at = is_new and pauses.since(c.server, c.workflow) or nil
  return c
end

-- For how many seconds the record of an open call is kept: whatever it takes of its time, twice the
-- time of its result is left.
function calls.life_s(ttl_s, timeout_ms) return 2 * ttl_s + math.ceil(timeout_ms / 1000) end

-- Put a call on record, or find the earlier one that it joins. `attach` digests what must be equal
-- for that, `attach_use` the same and the client's own id of this use of the tool.
-- step calls.create(new: {call_id, server, caller, workflow, arguments, max_attempts,
--   idempotent: bool, ttl_s: number, attach, attach_use, attach_ms: number, promised: bool, secret,
--   concurrency, rate_count, rate_ms, timed_as, timeout_ms: number, trace, origin, approval,
--   approval_ms: number, more: json})
--   -> {is_attached: bool, call: calls.find}
function calls.create(new)
  local is_new = redis.call('EXISTS', keys.call(new.call_id)) == 0
  local earlier = is_new and
    (calls.joinable(new, new.attach_use, true) or calls.joinable(new, new.attach, false))
  if is_new and not earlier then return {call = calls.seen(new.call_id, calls.write(new))} end
  if earlier then calls.join(new, earlier) end
  return {is_attached = earlier and true, call = calls.find(earlier or new.call_id)}
end

-- The call that one may join by a digest: it runs, or ended of late and its result was not handed
-- over, unless the client asks for the very same use again, or may have asked it instead of this.
-- None joins one that was not approved.
function calls.joinable(new, digest, even_received)
  local earlier = digest ~= '' and redis.call('GET', keys.attach(digest))
  if not earlier or earlier == new.call_id then return end
  local e = records.fields(keys.call(earlier), 'status', 'finished_at', 'handed_over', 'unapproved')
  if not e.finished_at then return e.status and earlier end
  if e.unapproved or clock.now_ms - e.finished_at >= new.attach_ms then return end
  even_received = even_received or e.handed_over and calls.is_taken_over(new.call_id)
  if even_received or not e.handed_over then return earlier end
end

-- Join an earlier call: what is promised for this one holds for that.
function calls.join(new, earlier)
  local call = keys.call(earlier)
  if new.promised then redis.call('HSET', call, 'promised', 1, 'shared_task', 1) end
  if new.attach_use ~= '' then
    redis.call('SET', keys.attach(new.attach_use), earlier, 'EX', 2 * new.ttl_s)
  end
  if redis.call('HGET', call, 'joined_by') ~= new.call_id then
    redis.call('HSET', call, 'joined_by', new.call_id)
    timeline.add(call, 'joined', {tool_use = new.origin})
  end
end

-- Write a new call and all that points to it; return what of it is returned. It is due in two
-- seconds, should no worker have been woken for it; where it must be approved, that is looked at.
-- `more` has the names and values of fields that only some calls have.
function calls.write(new)
  local call, order, now_ms = keys.call(new.call_id), clock.next_order(), clock.now_ms
  local index = new.approval == '' and keys.due_calls() or keys.approvals()
  local life_s = calls.life_s(new.ttl_s, new.timeout_ms + new.approval_ms)
  local asked = new.origin ~= '' and {'timeline',
    timeline.longer(call, '', 'created', {tool_use = new.origin})} or {}
  redis.call('HSET', call, 'server', new.server, 'principal', new.caller, 'workflow', new.workflow,
    'status', 'queued', 'attempt', 0, 'order', order, 'created_at', now_ms, 'updated_at', now_ms,
    'waited_at', now_ms, 'arguments', new.arguments, 'max_attempts', new.max_attempts,
    'idempotent', new.idempotent and 1 or 0, 'ttl_s', new.ttl_s, 'attach', new.attach,
    'attach_ms', new.attach_ms, 'attach_use', new.attach_use, 'secret', new.secret,
    'concurrency', new.concurrency, 'rate_count', new.rate_count, 'rate_ms', new.rate_ms,
    new.timed_as, new.timeout_ms, 'trace', new.trace, 'v', layouts.now, unpack(asked))
  if new.promised then redis.call('HSET', call, 'promised', 1) end
  if #new.more > 0 then redis.call('HSET', call, unpack(new.more)) end
  redis.call('EXPIRE', call, life_s)
  for _, digest in ipairs({new.attach, new.attach_use}) do
    if digest ~= '' then redis.call('SET', keys.attach(digest), new.call_id, 'EX', life_s) end
  end
  redis.call('ZADD', index, now_ms + 2000, new.call_id)
  calls.index(new, order)
  return {server = new.server, principal = new.caller, workflow = new.workflow, status = 'queued',
    attempt = 0, order = order, created_at = now_ms, updated_at = now_ms, trace = new.trace,
    arguments = new.arguments, approval = new.approval ~= '' and new.approval}
end

-- Have a new call in the list of its principal, who is noted, by the end of the second, as one with
-- calls that were not gathered yet. What is old goes from the list once in a while, which is looked
-- after at the first call behind a gathering.
function calls.index(new, order)
  local index, caller = keys.calls(new.server, new.caller), cjson.encode({new.server, new.caller})
  local fresh, second_ends = keys.fresh_callers(), order - order % 1000000 + 1000000
  redis.call('ZADD', index, order, new.call_id)
  local is_first = redis.call('ZADD', fresh, second_ends, caller) == 1
  if not is_first or redis.call('TTL', index) >= 2 * new.ttl_s then return end
  redis.call('EXPIRE', index, 3 * new.ttl_s)
  redis.call('ZREMRANGEBYSCORE', index, '-inf', order - 2000000 * new.ttl_s)
  redis.call('ZADD', keys.callers(), clock.now_ms, caller)
  redis.call('ZREMRANGEBYSCORE', keys.callers(), '-inf', clock.now_ms - 3000 * new.ttl_s)
  redis.call('ZADD', keys.call_servers(), 'NX', clock.now_ms, new.server)
end

-- Is this secret the call's own?
-- step calls.proves(call_id, secret) -> bool
function calls.proves(call_id, secret)
  local kept = redis.call('HGET', keys.call(call_id), 'secret')
  return kept and kept ~= '' and kept == secret
end

-- Record how far an open call has got, as its workflow says.
-- step calls.report(call_id, secret, progress, message) -> {outcome, status?}
function calls.report(call_id, secret, progress, message)
  if not calls.proves(call_id, secret) then return {outcome = 'unknown'} end
  local call = keys.call(call_id)
  local c = records.fields(call, 'status', 'progress', 'message')
  if c.status ~= 'running' and c.status ~= 'queued' then
    return {outcome = 'ended', status = c.status}
  end
  if c.progress ~= progress or c.message ~= message then
    timeline.add(call, 'progress', {progress = tonumber(progress), message = message})
  end
  redis.call('HSET', call, 'progress', progress, 'message', message, 'updated_at', clock.now_ms)
  signals.notify('call:' .. call_id)
  return {outcome = 'taken', status = c.status}
end

-- Read a call without its result.
-- step calls.read(call_id) -> calls.find?
function calls.read(call_id)
  return redis.call('EXISTS', keys.call(call_id)) == 1 and calls.find(call_id)
end

-- Read a call with its result and its open questions; `waits` records that somebody waits for it.
-- step calls.read_whole(call_id, waits: bool)
--   -> {call: calls.find, result?, questions: [questions.row], file_bytes}?
function calls.read_whole(call_id, waits)
  local call = keys.call(call_id)
  local c = records.of_lists(call, {'ttl_s', 'file_bytes'}, calls.FIELDS)
  if not c.status then return end
  local is_open, result, file_bytes = c.status == 'queued' or c.status == 'running', nil, 0
  if is_open and waits then redis.call('HSET', call, 'waited_at', clock.now_ms) end
  if not is_open then result = redis.call('GET', keys.result(call_id)) end
  -- One that an earlier version ended does not say how long its file is.
  if result then file_bytes = c.file_bytes or redis.call('STRLEN', keys.result_file(call_id)) end
  return {call = calls.seen(call_id, c), result = result, file_bytes = file_bytes,
    questions = is_open and questions.open(call_id) or {}}
end

-- Read a part of the file that a call ended with, and how many bytes the whole has.
-- step calls.read_file(call_id, first, last) -> {part, whole_bytes}
function calls.read_file(call_id, first, last)
  local file = keys.result_file(call_id)
  local part = redis.call('GETRANGE', file, first, last)
  return {part = part, whole_bytes = redis.call('STRLEN', file)}
end

-- A call without its arguments, which may be long, and their summary where they are.
function calls.bare(call_id)
  local call = keys.call(call_id)
  return calls.seen(call_id, records.fields(call, 'ttl_s', 'summary', unpack(calls.FIELDS, 2)))
end

-- List at most `limit` of a principal's calls behind an order number, looking at `look_at` of them.
-- `next` is the order number to look on from; there is none where all were looked at.
-- step calls.list(server, principal, status, after, limit: number, look_at: number)
--   -> {rows: [calls.find], next?}
function calls.list(server, principal, status, after, limit, look_at)
  local rows, index = {}, keys.calls(server, principal)
  local ids = redis.call('ZRANGEBYSCORE', index, '(' .. after, '+inf', 'LIMIT', 0, look_at)
  local next = #ids == look_at and redis.call('ZSCORE', index, ids[#ids]) or nil
  for _, call_id in ipairs(ids) do
    local found = calls.bare(call_id)
    found.arguments = found.summary or redis.call('HGET', keys.call(call_id), 'arguments') or nil
    if not found.status then redis.call('ZREM', index, call_id) end
    if found.status and (status == '' or found.status == status) then rows[#rows + 1] = found end
    if #rows >= limit then break end
  end
  return {rows = rows, next = next}
end

-- Record that the caller has the result of an ended call in hand. `request` names the one that it
-- answers, where that was accepted apart: it counts once the client knows that it was.
-- step calls.handed_over(call_id, request) -> nothing
function calls.handed_over(call_id, request)
  local unaccepted = keys.unaccepted(request)
  if request ~= '' and redis.call('SET', unaccepted, call_id, 'XX', 'KEEPTTL') then return end
  if redis.call('HGET', keys.call(call_id), 'finished_at') then
    redis.call('HSET', keys.call(call_id), 'handed_over', 1)
  end
end

-- Put on record that the client of a request does not know yet that it was accepted.
function calls.accept(request, ttl_s)
  redis.call('SET', keys.unaccepted(request), '', 'EX', ttl_s)
end

-- Record that a request is served in the place of a process that died: a client that does not know
-- that it was accepted may have made it again meanwhile, and have that one's result.
function calls.take_over(request)
  redis.call('SET', keys.unaccepted(request), 'taken over', 'XX', 'KEEPTTL')
end

-- Is a request served in the place of a process that died?
function calls.is_taken_over(request)
  return redis.call('GET', keys.unaccepted(request)) == 'taken over'
end

-- Record that the client knows that a request was accepted.
-- step calls.accepted(request) -> nothing
function calls.accepted(request)
  local call_id = redis.call('GETDEL', keys.unaccepted(request))
  if call_id and call_id ~= '' then calls.handed_over(call_id, '') end
end

-- Record that the caller may come back for the result without waiting for it.
-- step calls.promise(call_id) -> nothing
function calls.promise(call_id)
  if redis.call('EXISTS', keys.call(call_id)) == 1 then
    redis.call('HSET', keys.call(call_id), 'promised', 1)
  end
end

return calls

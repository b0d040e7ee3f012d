-- Bulk acts: one act on many records, which were chosen by a filter and counted before.
--
-- The records that were counted stand in one list and leave it in the step that acts on them, which
-- looks first whether they are still wanted. So nothing is touched that came later, or is another
-- by now, and nothing twice: not by a step that is repeated, nor by a process that takes over.
local clock = require 'clock'
local keys = require 'keys'
local layouts = require 'layouts'
local records = require 'records'
local searching = require 'searching'
local bulks = {}

-- For how many seconds a bulk act is kept that nobody has confirmed.
bulks.COUNTED_S = 3600

-- For how many seconds one is kept that was.
bulks.KEPT_S = 7 * 86400

-- So many refusals are kept with their reasons.
bulks.REASONS = 20

-- What is read of a bulk act.
bulks.FIELDS = {
  'kind', 'act', 'by', 'filter', 'status', 'count', 'is_cut', 'created_at', 'confirmed_by',
  'confirmed_at', 'ended_at', 'stopped_by', 'done', 'changed', 'refused', 'refusals',
}

-- Keep a record for a bulk act that is being counted. Is that all there may be of them?
function bulks.choose(bulk_id, id, order, most)
  local left = keys.bulk_left(bulk_id)
  redis.call('ZADD', left, clock.digits(order), id)
  local count = redis.call('ZCARD', left)
  if count == 1 then redis.call('EXPIRE', left, bulks.COUNTED_S) end
  return count >= most
end

-- How many were chosen, and where to look on.
function bulks.chosen(bulk_id, next)
  return {count = redis.call('ZCARD', keys.bulk_left(bulk_id)), next = next}
end

-- Choose the newest events that are wanted, `most` in all, looking at so many in this step.
-- step bulks.choose_events(bulk_id, wanted: {places: json, statuses: json, replies: json,
--   principal, texts: json, ids_alone: bool, since, bulk}, before, look_at: number, most: number)
--   -> {count: int, next?}
function bulks.choose_events(bulk_id, wanted, before, look_at, most)
  local next = searching.each_event(wanted, before, look_at, function(id, _, _, at)
    return bulks.choose(bulk_id, id, at.order, most)
  end)
  return bulks.chosen(bulk_id, next)
end

-- Choose calls, likewise.
-- step bulks.choose_calls(bulk_id, wanted: {callers: json, servers: json, statuses: json, workflow,
--   texts: json, ids_alone: bool, since, bulk}, before, look_at: number, most: number)
--   -> {count: int, next?}
function bulks.choose_calls(bulk_id, wanted, before, look_at, most)
  local next = searching.each_call(wanted, before, look_at, function(id, _, at)
    return bulks.choose(bulk_id, id, at.order, most)
  end)
  return bulks.chosen(bulk_id, next)
end

-- Put a bulk act on record whose records were chosen. `check` is what must still be so of each, as
-- JSON. Those that are gone leave the list of all.
-- step bulks.create(new: {bulk_id, kind, act, by, filter, check, is_cut: bool}) -> nothing
function bulks.create(new)
  local key, index = keys.bulk(new.bulk_id), keys.bulks()
  redis.call('HSET', key, 'kind', new.kind, 'act', new.act, 'by', new.by, 'filter', new.filter,
    'check', new.check, 'is_cut', new.is_cut and 1 or 0, 'status', 'counted',
    'count', redis.call('ZCARD', keys.bulk_left(new.bulk_id)), 'created_at', clock.now_ms,
    'done', 0, 'changed', 0, 'refused', 0, 'v', layouts.now)
  redis.call('EXPIRE', key, bulks.COUNTED_S)
  redis.call('EXPIRE', keys.bulk_left(new.bulk_id), bulks.COUNTED_S)
  redis.call('ZADD', index, clock.now_ms, new.bulk_id)
  for _, oldest in ipairs(redis.call('ZRANGE', index, 0, 1)) do
    if redis.call('EXISTS', keys.bulk(oldest)) == 0 then redis.call('ZREM', index, oldest) end
  end
  redis.call('EXPIRE', index, bulks.KEPT_S)
end

-- Read a bulk act.
-- step bulks.read(bulk_id) -> bulks.row?
function bulks.read(bulk_id)
  if redis.call('EXISTS', keys.bulk(bulk_id)) == 1 then return bulks.row(bulk_id) end
end

-- A bulk act as steps return it; `is_held` says that a process works on it.
-- table bulks.row(bulk_id) -> {bulk_id, bulks.FIELDS, is_held: bool}
function bulks.row(bulk_id)
  local b = records.fields(keys.bulk(bulk_id), 'lease_ends_at', unpack(bulks.FIELDS))
  b.bulk_id = bulk_id
  b.is_held = b.status == 'running' and tonumber(b.lease_ends_at or 0) > clock.now_ms
  return b
end

-- List the newest bulk acts.
-- step bulks.listed(limit: number) -> [bulks.row]
function bulks.listed(limit)
  local rows = {}
  for _, bulk_id in ipairs(redis.call('ZREVRANGE', keys.bulks(), 0, -1)) do
    if #rows < limit then rows[#rows + 1] = bulks.read(bulk_id) end
  end
  return rows
end

-- Name the newest of the records that are left.
-- step bulks.sample(bulk_id, limit: number) -> [text]
function bulks.sample(bulk_id, limit)
  return redis.call('ZREVRANGE', keys.bulk_left(bulk_id), 0, limit - 1)
end

-- Let a bulk act begin, due in so many milliseconds, where as many were counted: `confirmed`, also
-- of one that has begun, `differs`, `stopped` or `unknown`.
-- step bulks.confirm(bulk_id, count: number, by, due_ms: number) -> text
function bulks.confirm(bulk_id, count, by, due_ms)
  local key = keys.bulk(bulk_id)
  local b = records.fields(key, 'status', 'count')
  if not b.status then return 'unknown' end
  if b.status == 'stopped' then return 'stopped' end
  if tonumber(b.count) ~= count then return 'differs' end
  if b.status ~= 'counted' then return 'confirmed' end
  redis.call('HSET', key, 'status', 'queued', 'confirmed_by', by, 'confirmed_at', clock.now_ms)
  redis.call('EXPIRE', key, bulks.KEPT_S)
  redis.call('EXPIRE', keys.bulk_left(bulk_id), bulks.KEPT_S)
  redis.call('ZADD', keys.due_bulks(), clock.now_ms + due_ms, bulk_id)
  return 'confirmed'
end

-- End a bulk act before its time. What it has done stays done: `stopped`, `ended` or `unknown`.
-- step bulks.stop(bulk_id, by) -> text
function bulks.stop(bulk_id, by)
  local status = redis.call('HGET', keys.bulk(bulk_id), 'status')
  if status == 'done' then return 'ended' end
  if not status then return 'unknown' end
  if status ~= 'stopped' then bulks.finish(bulk_id, 'stopped', 'stopped_by', by) end
  return 'stopped'
end

-- Give a bulk act its last status.
function bulks.finish(bulk_id, status, ...)
  local key = keys.bulk(bulk_id)
  redis.call('HSET', key, 'status', status, 'ended_at', clock.now_ms, ...)
  redis.call('ZREM', keys.due_bulks(), bulk_id)
end

-- Become the one process that works on a bulk act, unless another does.
-- step bulks.lease(bulk_id, token, lease_ms: number) -> bool
function bulks.lease(bulk_id, token, lease_ms)
  local b = records.fields(keys.bulk(bulk_id), 'status', 'lease', 'lease_ends_at')
  if b.status ~= 'queued' and b.status ~= 'running' then return false end
  local is_anothers = b.lease and b.lease ~= token and tonumber(b.lease_ends_at) > clock.now_ms
  if is_anothers then return false end
  bulks.hold(bulk_id, token, lease_ms)
  return true
end

-- Have a process work on a bulk act for so long; then it is due for others.
function bulks.hold(bulk_id, token, ms)
  redis.call('HSET', keys.bulk(bulk_id), 'status', 'running', 'lease', token,
    'lease_ends_at', clock.digits(clock.now_ms + ms))
  redis.call('ZADD', keys.due_bulks(), clock.now_ms + ms, bulk_id)
end

-- Name some of the oldest records that are left, and hold the bulk act for so long from now on.
-- Without any it is done. Not held: it was stopped, or another process works on it.
-- step bulks.next(bulk_id, token, lease_ms: number, limit: number) -> {is_held: bool, ids: [text]}
function bulks.next(bulk_id, token, lease_ms, limit)
  local b = records.fields(keys.bulk(bulk_id), 'status', 'lease')
  if b.lease ~= token or b.status == 'stopped' then return {ids = {}} end
  local ids = redis.call('ZRANGE', keys.bulk_left(bulk_id), 0, limit - 1)
  if #ids > 0 then
    bulks.hold(bulk_id, token, lease_ms)
  elseif b.status == 'running' then
    bulks.finish(bulk_id, 'done')
  end
  return {is_held = true, ids = ids}
end

-- Leave a bulk act to whoever comes next.
-- step bulks.rest(bulk_id, token) -> nothing
function bulks.rest(bulk_id, token)
  local b = records.fields(keys.bulk(bulk_id), 'status', 'lease')
  if b.status == 'running' and b.lease == token then bulks.hold(bulk_id, token, 0) end
end

-- Name the bulk acts that are due; they are due again after a while, unless one works on them.
-- step bulks.sweep(limit, again_ms: number) -> [text]
function bulks.sweep(limit, again_ms)
  local due = clock.due(keys.due_bulks(), limit)
  for _, bulk_id in ipairs(due) do
    local is_there = redis.call('EXISTS', keys.bulk(bulk_id)) == 1
    if is_there then redis.call('ZADD', keys.due_bulks(), clock.now_ms + again_ms, bulk_id) end
    if not is_there then redis.call('ZREM', keys.due_bulks(), bulk_id) end
  end
  return due
end

return bulks

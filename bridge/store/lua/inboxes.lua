-- How inboxes and lists stand, so that a client is told of a change once, by any process.
local clock = require 'clock'
local keys = require 'keys'
local signals = require 'signals'
local inboxes = {}

-- How the queue of a hook stands, as a text. The totals grow with each event that comes, the sizes
-- shrink with each that goes: no two different queues of a hook stand alike.
function inboxes.stand(server, hook)
  local counted = 'events|' .. server .. '|' .. hook .. '|'
  local came = redis.call('HMGET', keys.counters(), counted .. 'queued', counted .. 'delayed')
  local queued = redis.call('ZCARD', keys.inbox(server, hook, 'queued'))
  local delayed = redis.call('ZCARD', keys.inbox(server, hook, 'delayed'))
  return table.concat({came[1] or 0, came[2] or 0, queued, delayed}, ' ')
end

-- Read how the queues of some hooks stand.
-- step inboxes.stands(server, hooks: json) -> [text]
function inboxes.stands(server, hooks)
  local rows = {}
  for i, hook in ipairs(hooks) do rows[i] = inboxes.stand(server, hook) end
  return rows
end

-- Record that a session wants to hear of an inbox from now on.
-- step inboxes.hear(session_id, server, hook) -> nothing
function inboxes.hear(session_id, server, hook)
  local session = keys.session(session_id)
  if redis.call('EXISTS', session) == 0 then return end
  redis.call('HSETNX', session, 'hears:' .. hook, inboxes.stand(server, hook))
  signals.notify('session:' .. session_id)
end

-- Record that a session has heard enough of an inbox.
-- step inboxes.hear_no_more(session_id, hook) -> nothing
function inboxes.hear_no_more(session_id, hook)
  redis.call('HDEL', keys.session(session_id), 'hears:' .. hook)
end

-- Read what a session wants to hear of, how that stood when it was last told and how it stands now,
-- and the digests of the lists that it was shown.
-- step inboxes.look(session_id, server)
--   -> {inboxes: [{hook, told, stands}], lists: [{name, digest}]}?
function inboxes.look(session_id, server)
  local known = redis.call('HGETALL', keys.session(session_id))
  if #known == 0 then return end
  local heard, lists = {}, {}
  for i = 1, #known, 2 do
    local hook, list = known[i]:match('^hears:(.*)$'), known[i]:match('^shown:(.*)$')
    if hook then
      local stands = inboxes.stand(server, hook)
      heard[#heard + 1] = {hook = hook, told = known[i + 1], stands = stands}
    end
    if list then lists[#lists + 1] = {name = list, digest = known[i + 1]} end
  end
  return {inboxes = heard, lists = lists}
end

-- Record what a session has been told of, by how it stood then.
-- step inboxes.told(session_id, stands: json, lists: json) -> nothing
function inboxes.told(session_id, stands, lists)
  local session = keys.session(session_id)
  if redis.call('EXISTS', session) == 0 then return end
  for hook, told in pairs(stands) do
    local field = 'hears:' .. hook
    if redis.call('HEXISTS', session, field) == 1 then redis.call('HSET', session, field, told) end
  end
  for list, digest in pairs(lists) do redis.call('HSET', session, 'shown:' .. list, digest) end
end

-- Name the lists that became what they are, by their digests, within a time.
-- step inboxes.changed_lists(server, lists: json, within_ms: number, ttl_s) -> [text]
function inboxes.changed_lists(server, lists, within_ms, ttl_s)
  local rows, all = {}, keys.lists(server)
  for list, digest in pairs(lists) do
    local known = redis.call('HGET', all, list)
    if known ~= digest then
      redis.call('HSET', all, list, digest)
      if known then redis.call('HSET', all, list .. ' changed', clock.now_ms) end
    end
    local changed_at = redis.call('HGET', all, list .. ' changed')
    if changed_at and clock.now_ms - changed_at < within_ms then rows[#rows + 1] = list end
  end
  redis.call('EXPIRE', all, ttl_s)
  return rows
end

return inboxes

-- Records as operators look for them: newest first, some way back in each step.
--
-- A step looks at so many records at most and returns the order number to look on from, so that no
-- search holds Redis for long. A record keeps its order number for life and through every status:
-- whoever goes on behind one meets no record twice, and misses none that was there all the time.
local calls = require 'calls'
local clock = require 'clock'
local events = require 'events'
local gathering = require 'gathering'
local keys = require 'keys'
local merging = require 'merging'
local pauses = require 'pauses'
local searching = {}

-- Where events of a hook may stand that have a status; one that waits to be queued counts as such.
searching.INBOXES = {
  queued = {'queued', 'delayed'}, leased = {'leased'}, answered = {'answered'}, dead = {'dead'},
  expired = {'expired'},
}

-- What is read of an event to decide on it. A text is looked for in all behind the first two, which
-- are enough without one; in the timeline, only among uses of tools. The last two are no ids.
searching.OF_EVENT = {
  'status', 'leased_by', 'timeline', 'execution', 'call', 'summary', 'reason',
}

-- The same of a call, behind the first four.
searching.OF_CALL = {'status', 'workflow', 'finished_at', 'ttl_s',
  'timeline', 'execution', 'trace', 'failure', 'message',
}

-- Is one of some texts in the id of a record, or in what was read behind its decisive fields? No
-- texts are in all. Letters of ASCII are alike, small and capital.
function searching.mentions(texts, id, found, decisive)
  id = id .. ((found[decisive + 1] or '') .. '"tool_use":""'):gsub('.-"tool_use":"([^"]*)"', ' %1')
  for i = decisive + 2, #found do id = id .. '\0' .. (found[i] or '') end
  for _, text in ipairs(texts) do if id:lower():find(text:lower(), 1, true) then return true end end
  return #texts == 0
end

-- Those that a bulk act was done to, where one is named; no place is named beside it.
function searching.of_bulk(wanted, before)
  return wanted.bulk ~= '' and merging.source(keys.bulk_done(wanted.bulk), before, wanted.since)
end

-- The inboxes of the events that are wanted, or the list of those that a bulk act was done to.
function searching.inboxes(wanted, before)
  local found = {searching.of_bulk(wanted, before) or nil}
  for _, at in ipairs(wanted.places) do
    for status in pairs(wanted.statuses) do
      for _, inbox in ipairs(searching.INBOXES[status]) do
        local index = keys.inbox(at[1], at[2], inbox)
        found[#found + 1] = merging.source(index, before, wanted.since)
      end
    end
  end
  return found
end

-- Look at the events that are wanted: `look(event_id, status, reply_status, at)`, newest first.
function searching.each_event(wanted, before, look_at, look)
  local of_replies, read = next(wanted.replies), #searching.OF_EVENT - (wanted.ids_alone and 2 or 0)
  local count = #wanted.texts == 0 and 2 or read
  return merging.each(searching.inboxes(wanted, before), look_at, function(id, at)
    local e = redis.call('HMGET', keys.event(id), unpack(searching.OF_EVENT, 1, count))
    if not e[1] then redis.call('ZREM', at.of.index, id) return end
    local status = e[1] == 'delayed' and 'queued' or e[1]
    if not wanted.statuses[status] then return end
    if wanted.principal ~= '' and e[2] ~= wanted.principal then return end
    if not searching.mentions(wanted.texts, id, e, 2) then return end
    local reply = of_replies and redis.call('HGET', keys.reply(id), 'status')
    if of_replies and not wanted.replies[reply] then return end
    return look(id, status, reply, at)
  end)
end

-- An event with its reply, but without payload and answer, which a list does not show.
-- row searching.event(event_id) -> {events.FIELDS, reply: events.reply, paused_at?}
function searching.event(event_id)
  local row = redis.call('HMGET', keys.event(event_id), unpack(events.FIELDS))
  local reply = redis.call('HMGET', keys.reply(event_id), 'status', 'attempts', 'last_failure')
  row[#row + 1] = {reply[1], false, reply[2], reply[3]}
  row[#row + 1] = pauses.since(row[2], row[3])
  return row
end

-- Find at most `limit` events, looking at so many. Of `places`, each {server, hook}, all are named.
-- Statuses are sets; an empty one of `replies` stands for any reply, and for none.
-- step searching.events(wanted: {places: json, statuses: json, replies: json, principal,
--   texts: json, ids_alone: bool, since, bulk}, before, look_at: number, limit: number)
--   -> {rows: [searching.event], next?}
function searching.events(wanted, before, look_at, limit)
  local rows = {}
  local next = searching.each_event(wanted, before, look_at, function(event_id)
    rows[#rows + 1] = searching.event(event_id)
    return #rows == limit
  end)
  return {rows = rows, next = next}
end

-- How many events are left to look at that are older than `before`.
-- step searching.left_events(wanted: {places: json, statuses: json, since, bulk}, before) -> int
function searching.left_events(wanted, before)
  return merging.size(searching.inboxes(wanted, before))
end

-- Count events, likewise: how many are in each status, or their replies where these are wanted, as
-- JSON.
-- step searching.count_events(wanted: {places: json, statuses: json, replies: json, principal,
--   texts: json, ids_alone: bool, since, bulk}, before, look_at: number) -> {counts, next?}
function searching.count_events(wanted, before, look_at)
  local counts = {}
  local next = searching.each_event(wanted, before, look_at, function(_, status, reply_status)
    local counted = reply_status or status
    counts[counted] = (counts[counted] or 0) + 1
  end)
  return {counts = cjson.encode(counts), next = next}
end

-- Where the calls that are wanted stand: in the lists of their callers where these are named, else
-- in those of the servers, as far as they were gathered, and in those of who has called since.
function searching.lists(wanted, before)
  local found, upto = {searching.of_bulk(wanted, before) or nil}, gathering.upto()
  for _, caller in ipairs(wanted.callers) do
    found[#found + 1] = merging.source(keys.calls(caller[1], caller[2]), before, wanted.since)
  end
  local is_gathered = before ~= '+inf' and tonumber(before) <= upto + 1
  for server in pairs(wanted.servers) do
    local older = is_gathered and before or clock.digits(upto + 1)
    found[#found + 1] = merging.source(keys.calls_of(server), older, wanted.since)
  end
  if is_gathered or not next(wanted.servers) then return found end
  local since = clock.digits(math.max(upto + 1, tonumber(wanted.since)))
  for _, caller in ipairs(gathering.callers(keys.fresh_callers(), since, '+inf')) do
    if wanted.servers[caller.server] and redis.call('ZCOUNT', caller.calls, since, '+inf') > 0 then
      found[#found + 1] = merging.source(caller.calls, before, since)
    end
  end
  return found
end

-- Look at the calls that are wanted: `look(call_id, status, at)`, newest first.
function searching.each_call(wanted, before, look_at, look)
  local texts, read = wanted.texts, #searching.OF_CALL - (wanted.ids_alone and 2 or 0)
  local count = #texts == 0 and 4 or read
  return merging.each(searching.lists(wanted, before), look_at, function(id, at)
    local c = redis.call('HMGET', keys.call(id), unpack(searching.OF_CALL, 1, count))
    if not c[1] then redis.call('ZREM', at.of.index, id) return end
    if wanted.workflow ~= '' and c[2] ~= wanted.workflow then return end
    local status = calls.seen(id, {status = c[1], finished_at = c[3], ttl_s = c[4]}).status
    return wanted.statuses[status] and searching.mentions(texts, id, c, 4) and look(id, status, at)
  end)
end

-- Find at most `limit` calls, looking at so many: of `callers`, each {server, principal}, or of
-- all of `servers`, a set. They come without arguments, which a list does not show.
-- step searching.calls(wanted: {callers: json, servers: json, statuses: json, workflow,
--   texts: json, ids_alone: bool, since, bulk}, before, look_at: number, limit: number)
--   -> {rows: [calls.find], next?}
function searching.calls(wanted, before, look_at, limit)
  local rows = {}
  return {rows = rows, next = searching.each_call(wanted, before, look_at, function(call_id)
    rows[#rows + 1] = calls.bare(call_id)
    rows[#rows].arguments = ''
    return #rows == limit
  end)}
end

-- How many calls are left to look at that are older than `before`.
-- step searching.left_calls(wanted: {callers: json, servers: json, since, bulk}, before) -> int
function searching.left_calls(wanted, before)
  return merging.size(searching.lists(wanted, before))
end

-- Count calls, likewise: how many are in each status, as JSON.
-- step searching.count_calls(wanted: {callers: json, servers: json, statuses: json, workflow,
--   texts: json, ids_alone: bool, since, bulk}, before, look_at: number) -> {counts, next?}
function searching.count_calls(wanted, before, look_at)
  local counts = {}
  local next = searching.each_call(wanted, before, look_at, function(_, status)
    counts[status] = (counts[status] or 0) + 1
  end)
  return {counts = cjson.encode(counts), next = next}
end

return searching

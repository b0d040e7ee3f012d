-- Records as operators look for them: newest first, some way back in each step.
--
-- A step looks at so many records at most and returns the order number to look on from, so that no
-- search holds Redis for long. A record keeps its order number for life and through every status:
-- whoever goes on behind one meets no record twice, and misses none that was there all the time.
local calls = require 'calls'
local clock = require 'clock'
local events = require 'events'
local keys = require 'keys'
local records = require 'records'
local searching = {}

-- Where events of a hook may stand that have a status; one that waits to be queued counts as such.
searching.INBOXES = {
  queued = {'queued', 'delayed'}, leased = {'leased'}, answered = {'answered'}, dead = {'dead'},
  expired = {'expired'},
}

-- What is read of an event to decide on it; a text is looked for in all behind the first two.
searching.OF_EVENT = {'status', 'leased_by', 'summary', 'reason', 'execution', 'call'}

-- The same of a call.
searching.OF_CALL = {
  'status', 'workflow', 'finished_at', 'ttl_s', 'failure', 'message', 'execution', 'trace',
}

-- Read the next page of an index, twice as long as the one before: what is read again and again
-- holds most of what there is. `floor` is how far down all of it is known.
function searching.read_on(source, since)
  source.size = 2 * source.size
  local page = redis.call('ZREVRANGEBYSCORE', source.index, '(' .. source.before, since,
    'WITHSCORES', 'LIMIT', 0, source.size)
  source.found, source.at, source.is_over = {}, 1, #page < 2 * source.size
  for i = 1, #page, 2 do
    local order = tonumber(page[i + 1])
    source.found[#source.found + 1] = {id = page[i], order = order, index = source.index}
    source.before = clock.digits(order)
  end
  source.floor = source.is_over and -1 or source.found[#source.found].order
end

-- Take what is known of some indexes down to the highest of their floors, newest first.
function searching.known(sources)
  local floor, known = -1, {}
  for _, source in ipairs(sources) do floor = math.max(floor, source.floor) end
  for _, source in ipairs(sources) do
    local next = source.found[source.at]
    while next and next.order >= floor do
      known[#known + 1], source.at = next, source.at + 1
      next = source.found[source.at]
    end
  end
  table.sort(known, function(one, other) return one.order > other.order end)
  return known
end

-- The newest members of some indexes together that are older than `before`, down to `since`: some
-- `look_at` of them, fewer only where there are no more.
function searching.newest(indexes, before, since, look_at)
  local sources, found = {}, {}
  local size = math.max(5, math.ceil(look_at / #indexes / 2))
  for i, index in ipairs(indexes) do
    sources[i] = {index = index, before = before, size = size, found = {}, at = 1}
  end
  repeat
    for _, source in ipairs(sources) do
      local is_used_up = not source.found[source.at]
      if is_used_up and not source.is_over then searching.read_on(source, since) end
    end
    local known = searching.known(sources)
    for _, one in ipairs(known) do found[#found + 1] = one end
  until #known == 0 or #found >= look_at
  return found
end

-- Look at them one by one until `look` says that it is enough. Returns the order number to look on
-- from; there is none where no more are left.
function searching.each(indexes, before, since, look_at, look)
  local found = searching.newest(indexes, before, since, look_at)
  for _, one in ipairs(found) do
    if look(one.id, one.index) then return clock.digits(one.order) end
  end
  return #found >= look_at and clock.digits(found[#found].order) or nil
end

-- What is read of a record: where no text is looked for the first `decisive` fields are enough.
function searching.read_of(fields, decisive, text)
  return {unpack(fields, 1, text == '' and decisive or #fields)}
end

-- Is what is looked for in the id of a record, or in what was read behind its decisive fields?
-- Letters of ASCII are alike, small and capital.
function searching.mentions(text, id, found, decisive)
  if text == '' or id:lower():find(text, 1, true) then return true end
  for i = decisive + 1, #found do
    if found[i] and found[i]:lower():find(text, 1, true) then return true end
  end
  return false
end

-- Texts as a set.
function searching.set(texts)
  local set = {}
  for _, text in ipairs(texts) do set[text] = true end
  return set
end

-- The inboxes of the events that are wanted.
function searching.inboxes(wanted)
  local found = {}
  for _, at in ipairs(wanted.places) do
    for _, status in ipairs(wanted.statuses) do
      for _, inbox in ipairs(searching.INBOXES[status]) do
        found[#found + 1] = keys.inbox(at[1], at[2], inbox)
      end
    end
  end
  return found
end

-- Look at the events that are wanted: `look(event_id, status, reply_status)`, newest first.
function searching.each_event(wanted, before, look_at, look)
  local replies, text = searching.set(wanted.replies), wanted.text:lower()
  local fields = searching.read_of(searching.OF_EVENT, 2, text)
  local inboxes = searching.inboxes(wanted)
  return searching.each(inboxes, before, wanted.since, look_at, function(id, inbox)
    local e = redis.call('HMGET', keys.event(id), unpack(fields))
    if not e[1] then redis.call('ZREM', inbox, id) return end
    if wanted.principal ~= '' and e[2] ~= wanted.principal then return end
    if not searching.mentions(text, id, e, 2) then return end
    local reply = #wanted.replies > 0 and redis.call('HGET', keys.reply(id), 'status')
    if #wanted.replies > 0 and not replies[reply] then return end
    return look(id, e[1] == 'delayed' and 'queued' or e[1], reply)
  end)
end

-- An event with its reply, but without payload and answer, which a list does not show.
-- row searching.event(event_id) -> {events.FIELDS, reply: events.reply}
function searching.event(event_id)
  local row = redis.call('HMGET', keys.event(event_id), unpack(events.FIELDS))
  local reply = redis.call('HMGET', keys.reply(event_id), 'status', 'attempts', 'last_failure')
  row[#row + 1] = {reply[1], false, reply[2], reply[3]}
  return row
end

-- Find at most `limit` events, looking at some `look_at`. Of `places`, each {server, hook}, and
-- `statuses` all are named; of `replies`, which are statuses too, none stands for any.
-- step searching.events(wanted: {places: json, statuses: json, replies: json, principal, text,
--   since}, before, look_at: number, limit: number) -> {rows: [searching.event], next?}
function searching.events(wanted, before, look_at, limit)
  local rows = {}
  local next = searching.each_event(wanted, before, look_at, function(event_id)
    rows[#rows + 1] = searching.event(event_id)
    return #rows == limit
  end)
  return {rows = rows, next = next}
end

-- Count events, likewise: how many are in each status, or their replies where these are wanted.
-- step searching.count_events(wanted: {places: json, statuses: json, replies: json, principal,
--   text, since}, before, look_at: number) -> {counts: [{status, number}], next?}
function searching.count_events(wanted, before, look_at)
  local counts = {}
  local next = searching.each_event(wanted, before, look_at, function(_, status, reply_status)
    local counted = reply_status or status
    counts[counted] = (counts[counted] or 0) + 1
  end)
  return {counts = searching.listed(counts), next = next}
end

-- Counts as a list.
function searching.listed(counts)
  local rows = {}
  for status, number in pairs(counts) do rows[#rows + 1] = {status = status, number = number} end
  return rows
end

-- Look at the calls that are wanted: `look(call_id, status)`, newest first.
function searching.each_call(wanted, before, look_at, look)
  local indexes, statuses, text = {}, searching.set(wanted.statuses), wanted.text:lower()
  for i, caller in ipairs(wanted.callers) do indexes[i] = keys.calls(caller[1], caller[2]) end
  local fields = searching.read_of(searching.OF_CALL, 4, text)
  return searching.each(indexes, before, wanted.since, look_at, function(id, index)
    local c = redis.call('HMGET', keys.call(id), unpack(fields))
    if not c[1] then redis.call('ZREM', index, id) return end
    if wanted.workflow ~= '' and c[2] ~= wanted.workflow then return end
    local status = calls.seen(id, {status = c[1], finished_at = c[3], ttl_s = c[4]}).status
    if not statuses[status] then return end
    if not searching.mentions(text, id, c, 4) then return end
    return look(id, status)
  end)
end

-- A call without its arguments, which a list does not show.
function searching.call(call_id)
  local names = {'ttl_s'}
  for _, name in ipairs(calls.FIELDS) do
    if name ~= 'arguments' then names[#names + 1] = name end
  end
  local c = calls.seen(call_id, records.fields(keys.call(call_id), unpack(names)))
  c.arguments = ''
  return c
end

-- Find at most `limit` calls of these callers, each {server, principal}, looking at some `look_at`.
-- step searching.calls(wanted: {callers: json, statuses: json, workflow, text, since}, before,
--   look_at: number, limit: number) -> {rows: [calls.find], next?}
function searching.calls(wanted, before, look_at, limit)
  local rows = {}
  local next = searching.each_call(wanted, before, look_at, function(call_id)
    rows[#rows + 1] = searching.call(call_id)
    return #rows == limit
  end)
  return {rows = rows, next = next}
end

-- Count calls, likewise: how many are in each status.
-- step searching.count_calls(wanted: {callers: json, statuses: json, workflow, text,
--   since}, before, look_at: number) -> {counts: [{status, number}], next?}
function searching.count_calls(wanted, before, look_at)
  local counts = {}
  local next = searching.each_call(wanted, before, look_at, function(_, status)
    counts[status] = (counts[status] or 0) + 1
  end)
  return {counts = searching.listed(counts), next = next}
end

return searching

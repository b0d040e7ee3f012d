-- Pushes: queued events that are told to people's sessions, again until somebody takes them.
--
-- Who tells them is a watcher, `process/name`. Those of a hook stand in a line, and the one that
-- has not been told for longest is told next. When an event is told next stands in the event
-- itself: it needs no key, and dies with it.
local clock = require 'clock'
local events = require 'events'
local keys = require 'keys'
local pauses = require 'pauses'
local processes = require 'processes'
local records = require 'records'
local signals = require 'signals'
local pushes = {}

-- For how long a line outlives the last look of a watcher, in seconds.
pushes.KEPT_S = 600

-- Claim what is to be told now of the `most` first events, and return in how many milliseconds more
-- is. The pause doubles with each time that an event is told; one that was taken and came back
-- begins anew. An event is left to the first in line for `turn_ms`, for that one may not read.
-- step pushes.due(push: {server, hooks: json, watcher, token, most: number, first_ms: number,
--   longest_ms: number, turn_ms: number}) -> {next_ms?, rows: [events.row]}
function pushes.due(push)
  local rows, next_ms, looked = {}, nil, 0
  for _, hook in ipairs(push.hooks) do
    pushes.stand(push, hook)
    local inbox = keys.inbox(push.server, hook, 'queued')
    local is_open = looked < push.most and not pauses.since(push.server, hook)
    local first = is_open and redis.call('ZRANGE', inbox, 0, push.most - looked - 1) or {}
    for _, event_id in ipairs(first) do
      local is_told, due_ms = pushes.claim(event_id, hook, push)
      if is_told then rows[#rows + 1] = events.row(event_id) end
      if due_ms then
        looked = looked + 1
        next_ms = math.max(math.min(next_ms or due_ms, due_ms), 0)
      end
    end
  end
  return {next_ms = next_ms and math.ceil(next_ms), rows = rows}
end

-- Claim one event for a push if it is due: is it, and in how many milliseconds is it again?
function pushes.claim(event_id, hook, push)
  local key = keys.event(event_id)
  local e = records.fields(key, 'attempt', 'order', 'pushes', 'push_at', 'push_attempt',
    'push_token')
  if not e.attempt then return false, nil end
  local due_at, count, teller = pushes.plan(e, hook, push)
  if e.push_token == push.token then return true, due_at - clock.now_ms end
  local late_ms = clock.now_ms - due_at
  if late_ms < 0 then return false, -late_ms end
  local first = pushes.first(push, hook, teller)
  if first ~= push.watcher then
    if late_ms < push.turn_ms then return false, push.turn_ms - late_ms end
    pushes.go_to_the_end(push, hook, first) -- it has let its turn pass
  end
  local pause_ms = math.min(push.first_ms * 2 ^ count, push.longest_ms)
  redis.call('HSET', key, 'pushes', count + 1, 'push_attempt', e.attempt,
    'push_token', push.token, 'push_at', clock.digits(clock.now_ms + pause_ms))
  pushes.go_to_the_end(push, hook, push.watcher)
  return true, pause_ms
end

-- When an event is due, how many times it was told since it was queued, and who told it last.
-- What was told by one that has left is due at once, as if it had not been told; so is what is due
-- later than any pause allows, for the clock was ahead when it was told.
function pushes.plan(e, hook, push)
  local count = e.push_attempt == e.attempt and tonumber(e.pushes) or 0
  if count == 0 then return math.min(e.order / 1000, clock.now_ms), 0, nil end
  local teller = e.push_token:match('^(.*/.*)%.')
  local due_at = tonumber(e.push_at)
  if e.push_token == push.token then return due_at, count, teller end
  if teller and pushes.has_left(push, hook, teller) then return 0, count - 1, teller end
  return due_at - clock.now_ms > push.longest_ms and 0 or due_at, count, teller
end

-- Have a watcher stand in the line of a hook: at its end, if it stood in none.
function pushes.stand(push, hook)
  local line = keys.watchers(push.server, hook)
  if not redis.call('ZSCORE', line, push.watcher) then
    pushes.go_to_the_end(push, hook, push.watcher)
  end
  redis.call('EXPIRE', line, pushes.KEPT_S)
end

-- Put a watcher behind all others in the line of a hook, also those that came in this moment.
function pushes.go_to_the_end(push, hook, watcher)
  local line = keys.watchers(push.server, hook)
  local last = redis.call('ZRANGE', line, -1, -1, 'WITHSCORES')
  local place = math.max(clock.now_us, (last[2] or 0) + 1)
  redis.call('ZADD', line, clock.digits(place), watcher)
end

-- The first in the line of a hook, seen by one that stands in it; whose process is dead leaves it.
-- Who told an event the last time is not the first for it, unless it is alone.
function pushes.first(push, hook, teller)
  local line, place = keys.watchers(push.server, hook), 0
  while true do
    local watcher = redis.call('ZRANGE', line, place, place)[1]
    if not watcher then return teller end
    if not pushes.lives(push, watcher) then
      redis.call('ZREM', line, watcher)
    elseif watcher == teller then
      place = 1
    else
      return watcher
    end
  end
end

-- Does the process of a watcher live? That of the one who asks does, however late it is to say so.
function pushes.lives(push, watcher)
  local process = watcher:match('^(.*)/')
  return process == push.watcher:match('^(.*)/') or processes.lives(process)
end

-- Has a watcher left the line of a hook?
function pushes.has_left(push, hook, watcher)
  local stands = redis.call('ZSCORE', keys.watchers(push.server, hook), watcher)
  return not (stands and pushes.lives(push, watcher))
end

-- Have a watcher leave, and wake the others: what it was told and nobody took is due now.
-- step pushes.leave(server, hooks: json, watcher) -> nothing
function pushes.leave(server, hooks, watcher)
  for _, hook in ipairs(hooks) do redis.call('ZREM', keys.watchers(server, hook), watcher) end
  signals.notify('events:' .. server)
end

return pushes

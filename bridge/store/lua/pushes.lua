-- Pushes: queued events that are told to people's sessions, again until somebody takes them.
--
-- When an event is told next stands in the event itself: it needs no key, and dies with it.
local clock = require 'clock'
local events = require 'events'
local keys = require 'keys'
local pauses = require 'pauses'
local records = require 'records'
local pushes = {}

-- Claim what is to be told now of the `most` first events, and return in how many milliseconds more
-- is. The pause doubles with each time that an event is told; one that was taken and came back
-- begins anew.
-- step pushes.due(push: {server, hooks: json, token, most: number, first_ms: number,
--   longest_ms: number}) -> {next_ms?, rows: [events.row]}
function pushes.due(push)
  local rows, next_ms, looked = {}, nil, 0
  for _, hook in ipairs(push.hooks) do
    local inbox = keys.inbox(push.server, hook, 'queued')
    local is_open = not pauses.since(push.server, hook)
    local first = is_open and redis.call('ZRANGE', inbox, 0, push.most - looked - 1) or {}
    for _, event_id in ipairs(first) do
      local is_told, due_ms = pushes.claim(event_id, push)
      if is_told then rows[#rows + 1] = events.row(event_id) end
      if due_ms then
        looked = looked + 1
        next_ms = math.max(math.min(next_ms or due_ms, due_ms), 0)
      end
    end
    if looked >= push.most then break end
  end
  return {next_ms = next_ms and math.ceil(next_ms), rows = rows}
end

-- Claim one event for a push if it is due: is it, and in how many milliseconds is it again?
function pushes.claim(event_id, push)
  local key = keys.event(event_id)
  local e = records.fields(key, 'attempt', 'pushes', 'push_at', 'push_attempt', 'push_token')
  if not e.attempt then return false, nil end
  local count = e.push_attempt == e.attempt and tonumber(e.pushes) or 0
  local due_ms = count == 0 and 0 or e.push_at - clock.now_ms
  if e.push_token == push.token then return true, due_ms end
  if due_ms > 0 then return false, due_ms end
  due_ms = math.min(push.first_ms * 2 ^ count, push.longest_ms)
  redis.call('HSET', key, 'pushes', count + 1, 'push_attempt', e.attempt,
    'push_token', push.token, 'push_at', clock.digits(clock.now_ms + due_ms))
  return true, due_ms
end

return pushes

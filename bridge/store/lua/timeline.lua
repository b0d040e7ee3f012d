-- The history of a record, a line of JSON for each thing that happened to it, kept in the record
-- itself: it costs no key and dies with it.
local clock = require 'clock'
local keys = require 'keys'
local timeline = {}

-- Add what happened to the record at `key`, with details by name; empty ones are left out.
function timeline.add(key, what, details)
  if redis.call('EXISTS', key) == 0 then return end
  local lines = redis.call('HGET', key, 'timeline') or ''
  redis.call('HSET', key, 'timeline', timeline.longer(key, lines, what, details))
end

-- The lines of a record, and one more for what happened, for whoever writes them. Of 61 lines the
-- 21st is left out: the first 20 tell how it began, the last 40 how it ended. No line is shorter
-- than 33 bytes, so a short text need not be counted.
function timeline.longer(key, lines, what, details)
  local line, from = {at = clock.now_ms, what = what}, 0
  for name, value in pairs(details or {}) do
    if value ~= '' then line[name] = type(value) == 'string' and value:sub(1, 300) or value end
  end
  lines = lines .. cjson.encode(line) .. '\n'
  if #lines <= 60 * 33 or select(2, lines:gsub('\n', '')) <= 60 then return lines end
  redis.call('HINCRBY', key, 'left_out', 1)
  for _ = 1, 20 do from = lines:find('\n', from + 1, true) end
  return lines:sub(1, from) .. lines:sub(lines:find('\n', from + 1, true) + 1)
end

-- When something happened last, by the lines of a record; nil where they do not tell. A text within
-- a line cannot look like its name, for its quotes are escaped.
function timeline.last(lines, what)
  local named = '"what":"' .. what .. '"'
  return tonumber(lines:match('.*"at":(%d+)[^\n]*' .. named)
    or lines:match('.*' .. named .. '[^\n]*"at":(%d+)'))
end

-- Read the history of an event: when it came, the lines, and how many were left out.
-- step timeline.of_event(event_id) -> {began_at?, lines?, left_out?}
function timeline.of_event(event_id) return timeline.read(keys.event(event_id), 'received_at') end

-- Read the history of a call, likewise.
-- step timeline.of_call(call_id) -> {began_at?, lines?, left_out?}
function timeline.of_call(call_id) return timeline.read(keys.call(call_id), 'created_at') end

-- Read the history of the record at `key`, whose field `began` says when it was made.
function timeline.read(key, began)
  local found = redis.call('HMGET', key, began, 'timeline', 'left_out')
  return {began_at = found[1], lines = found[2], left_out = found[3]}
end

return timeline

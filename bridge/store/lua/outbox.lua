-- Outboxes: the frames of a stream on their way to its client, kept so that any process can send
-- them again; and what a client answered or cancelled, kept for the process that asked.
local counters = require 'counters'
local keys = require 'keys'
local layouts = require 'layouts'
local signals = require 'signals'
local streams = require 'streams'
local outbox = {}

-- An entry of Redis's stream by the names of its fields; nil where there is none.
function outbox.entry(raw)
  if not raw then return end
  local entry = {frame_id = raw[1]}
  for i = 1, #raw[2], 2 do entry[raw[2][i]] = raw[2][i + 1] end
  return entry
end

-- The newest entry of a stream.
function outbox.newest(stream)
  return outbox.entry(redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1])
end

-- Append a frame, unless the request that it answers was answered already. The `last` one ends its
-- stream, if nothing else is owed there. `once` tells a step that is repeated from the next one.
-- step outbox.append(frame: {session_id, stream, content, last: bool, receipt, request, once},
--   frames_max: number, bytes_max: number, ttl_s) -> nothing
function outbox.append(frame, frames_max, bytes_max, ttl_s)
  local session_id, stream = frame.session_id, frame.stream
  local is_owed = frame.request == ''
    or redis.call('HDEL', keys.owed(session_id), frame.request) == 1
  if not is_owed then return end
  local last = frame.last and not streams.is_owed(session_id, stream)
  local frames = keys.outbox(session_id, stream)
  local newest = outbox.newest(frames)
  if newest and newest.once == frame.once then return end
  local bytes = #frame.content + (newest and newest.bytes or 0)
  local frame_id = redis.call('XADD', frames, '*', 'frame', frame.content, 'last', last and 1 or 0,
    'receipt', frame.receipt, 'once', frame.once, 'bytes', string.format('%.0f', bytes),
    'request', frame.request, 'v', layouts.now)
  local dropped = keys.dropped(session_id, stream)
  outbox.make_room(frames, dropped, frame_id, bytes, frames_max, bytes_max)
  redis.call('EXPIRE', frames, ttl_s)
  redis.call('EXPIRE', dropped, ttl_s)
  signals.notify('outbox:' .. session_id .. ':' .. stream)
end

-- Drop the oldest frames until the others fit, but never the newest. `bytes` counts all frames that
-- ever were in a stream up to one, so what is there now is a difference. Of dropped answers it is
-- kept which requests they were for.
function outbox.make_room(frames, dropped, newest_id, bytes, frames_max, bytes_max)
  while true do
    local oldest = outbox.entry(redis.call('XRANGE', frames, '-', '+', 'COUNT', 1)[1])
    local is_small = bytes - oldest.bytes + #oldest.frame <= bytes_max
    local fits = is_small and redis.call('XLEN', frames) <= frames_max
    if oldest.frame_id == newest_id or fits then return end
    redis.call('XDEL', frames, oldest.frame_id)
    counters.add(1, 'outbox_dropped')
    if oldest.request ~= '' and redis.call('HLEN', dropped) < frames_max then
      redis.call('HSET', dropped, oldest.request, oldest.frame_id)
    end
  end
end

-- Read the frames behind one, at most `limit` and little more than `bytes_max`; nothing where there
-- will be none: the reader was replaced, or the last frame is behind it. Without a reader this only
-- looks. `dropped` lists requests, and the frames that answered them and made room, in turn.
-- step outbox.read(session_id, stream, reader, after, limit, bytes_max: number)
--   -> {rows: [{frame_id, frame, last, receipt}], dropped: [text]}?
function outbox.read(session_id, stream, reader, after, limit, bytes_max)
  local frames = keys.outbox(session_id, stream)
  local current = reader ~= '' and redis.call('HGET', keys.session(session_id), 'reader:' .. stream)
  if reader ~= '' and current ~= reader then return end
  local rows, bytes = {}, 0
  local from = after == '' and '-' or '(' .. after
  for _, raw in ipairs(redis.call('XRANGE', frames, from, '+', 'COUNT', limit)) do
    if bytes > bytes_max then break end
    rows[#rows + 1] = outbox.entry(raw)
    bytes = bytes + #rows[#rows].frame
  end
  local newest = #rows == 0 and outbox.newest(frames)
  if newest and newest.last == '1' then return end
  return {rows = rows, dropped = redis.call('HGETALL', keys.dropped(session_id, stream))}
end

-- Keep what a client answered, for the process that asked.
-- step outbox.put_answer(session_id, request_id, answer, ttl_s) -> nothing
function outbox.put_answer(session_id, request_id, answer, ttl_s)
  redis.call('SET', keys.answer(session_id, request_id), answer, 'EX', ttl_s)
  signals.notify('answer:' .. session_id .. ':' .. request_id)
end

-- Read what a client answered.
-- step outbox.read_answer(session_id, request_id) -> text?
function outbox.read_answer(session_id, request_id)
  return redis.call('GET', keys.answer(session_id, request_id))
end

return outbox

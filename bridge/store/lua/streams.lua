-- Streams of a session: who reads each, how far it surely got, and what its client is owed.
--
-- A request that a client has made is owed an answer. Should its process die, then the next process
-- that reads the client's stream serves it in its place.
local calls = require 'calls'
local clock = require 'clock'
local keys = require 'keys'
local layouts = require 'layouts'
local records = require 'records'
local sessions = require 'sessions'
local signals = require 'signals'
local streams = {}

-- Become the one reader of a stream; returns the last frame that surely arrived. A client that has
-- no session id to come back with is found by a name of its own, where it has one.
-- step streams.attach(session_id, stream, reader, client, ttl_s) -> text
function streams.attach(session_id, stream, reader, client, ttl_s)
  local session = keys.session(session_id)
  redis.call('HSET', session, 'reader:' .. stream, reader)
  redis.call('EXPIRE', session, ttl_s)
  if client ~= '' then
    redis.call('ZADD', keys.clients(client), clock.now_ms, session_id)
    redis.call('EXPIRE', keys.clients(client), ttl_s)
  end
  signals.notify('outbox:' .. session_id .. ':' .. stream)
  signals.notify('reader:' .. session_id .. ':' .. stream)
  return redis.call('HGET', session, 'sure:' .. stream) or ''
end

-- Read no more; false for a reader that was replaced before.
-- step streams.detach(session_id, stream, reader, client) -> bool
function streams.detach(session_id, stream, reader, client)
  local session = keys.session(session_id)
  if redis.call('HGET', session, 'reader:' .. stream) ~= reader then return false end
  redis.call('HDEL', session, 'reader:' .. stream)
  if client ~= '' then redis.call('ZADD', keys.clients(client), clock.now_ms, session_id) end
  signals.notify('reader:' .. session_id .. ':' .. stream)
  return true
end

-- Record that the frames up to one have arrived, if one is named, and that the client lives; false
-- for a reader that was replaced.
-- step streams.still_reads(session_id, stream, reader, frame, client, ttl_s) -> bool
function streams.still_reads(session_id, stream, reader, frame, client, ttl_s)
  local session = keys.session(session_id)
  local s = records.fields(session, 'reader:' .. stream, 'server', 'principal')
  if s['reader:' .. stream] ~= reader then return false end
  sessions.live(session_id, s.server, s.principal, ttl_s)
  if frame ~= '' then redis.call('HSET', session, 'sure:' .. stream, frame) end
  if client ~= '' then redis.call('ZADD', keys.clients(client), clock.now_ms, session_id) end
  return true
end

-- Record an answer that was written to a stream and may have arrived.
-- step streams.written(session_id, receipt, ttl_s) -> nothing
function streams.written(session_id, receipt, ttl_s)
  redis.call('SADD', keys.unproven(session_id), receipt)
  redis.call('EXPIRE', keys.unproven(session_id), ttl_s)
end

-- Record that whoever wrote an answer has said whether it arrived, or that it cannot know.
-- step streams.settled(session_id, receipt, in_doubt: bool, ttl_s) -> nothing
function streams.settled(session_id, receipt, in_doubt, ttl_s)
  redis.call('SREM', keys.unproven(session_id), receipt)
  if in_doubt then streams.written(session_id, 'doubt ' .. receipt, ttl_s) end
  signals.notify('settled:' .. session_id)
end

-- Read the answers in doubt, which a later request of the session proves to have arrived, and have
-- whoever wrote others say whether those have; `is_open` while somebody has still to say so. Once
-- the request waits no longer for that, nor will a later one.
-- step streams.proven(session_id, waits: bool) -> {proven: [text], is_open}
function streams.proven(session_id, waits)
  local unproven, proven, is_open = keys.unproven(session_id), {}, 0
  for _, receipt in ipairs(redis.call('SMEMBERS', unproven)) do
    local doubt = receipt:match('^doubt (.*)')
    if doubt then proven[#proven + 1] = doubt else is_open = 1 end
    if doubt or not waits then redis.call('SREM', unproven, receipt) end
  end
  if is_open == 1 and waits then signals.notify('prove:' .. session_id) end
  return {proven = proven, is_open = is_open}
end

-- Has a stream a reader?
-- step streams.is_read(session_id, stream) -> bool
function streams.is_read(session_id, stream)
  return redis.call('HEXISTS', keys.session(session_id), 'reader:' .. stream) == 1
end

-- Has a stream frames, or an answer to come?
-- step streams.is_kept(session_id, stream) -> bool
function streams.is_kept(session_id, stream)
  return redis.call('EXISTS', keys.outbox(session_id, stream)) == 1
    or streams.is_owed(session_id, stream)
end

-- Is an answer owed on a stream?
function streams.is_owed(session_id, stream)
  for _, row in ipairs(redis.call('HVALS', keys.owed(session_id))) do
    if streams.owed(row).stream == stream then return true end
  end
  return false
end

-- A request that is owed an answer, as it is kept: a list in JSON.
function streams.owed(row)
  local message, stream, call_id, process, v = unpack(cjson.decode(row))
  return {message = message, stream = stream, call_id = call_id, process = process, v = v}
end

-- Write a request down that is owed an answer, and its layout.
function streams.kept(owed, v)
  return cjson.encode({owed.message, owed.stream, owed.call_id, owed.process, v})
end

-- Name the sessions of a client that lived of late.
-- step streams.recent(client, within_ms: number) -> [text]
function streams.recent(client, within_ms)
  local rows = {}
  local found = redis.call('ZRANGEBYSCORE', keys.clients(client), clock.now_ms - within_ms, '+inf')
  for _, session_id in ipairs(found) do
    if redis.call('EXISTS', keys.session(session_id)) == 1 then rows[#rows + 1] = session_id end
  end
  return rows
end

-- Put a request on record before it is served; false: it was there already. One that is accepted
-- apart is answered on another connection than the one that says so.
-- step streams.register(session_id, request, owed: {message, stream, call_id, process}, ttl_s,
--   apart: bool) -> bool
function streams.register(session_id, request, owed, ttl_s, apart)
  local all = keys.owed(session_id)
  if redis.call('HSETNX', all, request, streams.kept(owed, layouts.now)) == 0 then
    return streams.is_of(session_id, request, owed.call_id)
  end
  redis.call('EXPIRE', all, ttl_s)
  if apart then calls.accept(owed.call_id, ttl_s) end
  return true
end

-- Is what is owed to a request this call, and not that of a later request of its id?
function streams.is_of(session_id, request, call_id)
  local row = redis.call('HGET', keys.owed(session_id), request)
  return row and streams.owed(row).call_id == call_id
end

-- Drop a request that its client wants no more, or was told of that it is not served.
-- step streams.drop(session_id, request, call_id) -> nothing
function streams.drop(session_id, request, call_id)
  if streams.is_of(session_id, request, call_id) then
    redis.call('HDEL', keys.owed(session_id), request)
  end
end

-- Take over the requests of a stream whose process has been silent for so long.
-- step streams.take_over(session_id, stream, process, life_ms: number) -> [{message, call_id}]
function streams.take_over(session_id, stream, process, life_ms)
  local rows, all = {}, redis.call('HGETALL', keys.owed(session_id))
  for i = 1, #all, 2 do
    local owed = streams.owed(all[i + 1])
    local beat = redis.call('ZSCORE', keys.processes(), owed.process)
    local is_silent = not beat or clock.now_ms - beat > life_ms
    if owed.stream == stream and owed.process ~= process and is_silent then
      owed.process = process
      redis.call('HSET', keys.owed(session_id), all[i], streams.kept(owed, owed.v))
      calls.take_over(owed.call_id)
      rows[#rows + 1] = owed
    end
  end
  return rows
end

return streams

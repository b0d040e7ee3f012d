-- Sessions: what a handshake settled, and when each last gave a sign of life.
local clock = require 'clock'
local keys = require 'keys'
local layouts = require 'layouts'
local records = require 'records'
local signals = require 'signals'
local sessions = {}

-- Record a sign of life.
function sessions.live(session_id, server, principal, ttl_s)
  redis.call('EXPIRE', keys.session(session_id), ttl_s)
  for _, index in ipairs({keys.sessions(), keys.sessions_of(server, principal)}) do
    redis.call('ZADD', index, clock.now_ms, session_id)
    redis.call('EXPIRE', index, ttl_s)
  end
end

-- Write a session, or what its handshake has settled since. A new one for which there is no room
-- is refused: all of its `principal`, or of everybody (`all`), are in use.
-- step sessions.write(new: {session_id, server, principal, wire, client, version, info,
--   capabilities}, ttl_s: number, in_use_ms: number, of_principal: number, of_all: number) -> text
function sessions.write(new, ttl_s, in_use_ms, of_principal, of_all)
  local session, principal = keys.session(new.session_id), new.principal
  if redis.call('EXISTS', session) == 0 then
    local own = keys.sessions_of(new.server, principal)
    if not sessions.make_room(own, of_principal, ttl_s, in_use_ms) then return 'principal' end
    if not sessions.make_room(keys.sessions(), of_all, ttl_s, in_use_ms) then return 'all' end
  end
  redis.call('HSET', session, 'server', new.server, 'principal', principal, 'wire', new.wire,
    'client', new.client, 'version', new.version, 'info', new.info,
    'capabilities', new.capabilities, 'v', layouts.now)
  sessions.live(new.session_id, new.server, principal, ttl_s)
  return 'written'
end

-- Make room in an index for one more session: the one that was idle longest ends, unless it is in
-- use.
function sessions.make_room(index, most, ttl_s, in_use_ms)
  redis.call('ZREMRANGEBYSCORE', index, '-inf', clock.now_ms - ttl_s * 1000)
  if redis.call('ZCARD', index) < most then return true end
  local oldest = redis.call('ZRANGE', index, 0, 0, 'WITHSCORES')
  if clock.now_ms - oldest[2] < in_use_ms then return false end
  sessions.finish(oldest[1])
  return true
end

-- Read a session, which is a sign of its life.
-- step sessions.read(session_id, ttl_s)
--   -> {server, principal, wire, client, version, info, capabilities}?
function sessions.read(session_id, ttl_s)
  local s = records.fields(keys.session(session_id), 'server', 'principal', 'wire', 'client',
    'version', 'info', 'capabilities')
  if not s.server then return end
  sessions.live(session_id, s.server, s.principal, ttl_s)
  return s
end

-- End a session; its streams end with it.
-- step sessions.finish(session_id) -> nothing
function sessions.finish(session_id)
  local s = records.fields(keys.session(session_id), 'server', 'principal')
  redis.call('DEL', keys.session(session_id))
  redis.call('ZREM', keys.sessions(), session_id)
  if s.server then redis.call('ZREM', keys.sessions_of(s.server, s.principal), session_id) end
  signals.notify('session:' .. session_id)
end

return sessions

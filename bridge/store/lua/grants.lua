-- OAuth: codes, grants and tokens by their digests, and which questions were answered.
--
-- A grant's hash holds a line for each refresh token that counts: the digest of the one it was
-- given out for, when it was made or last used, whether it was used, and when it ends (0: not yet
-- known).
local clock = require 'clock'
local keys = require 'keys'
local layouts = require 'layouts'
local signals = require 'signals'
local tokens = require 'tokens'
local grants = {}

-- End a grant, and with it all that was given out for it.
-- step grants.finish(grant) -> nothing
function grants.finish(grant)
  redis.call('DEL', keys.oauth_grant(grant))
  signals.notify(tokens.REVOKED)
end

-- Write down the tokens that are given out for a grant, which lives on with them.
function grants.hand_out(grant, pair, access_ttl_s, grant_ttl_s)
  local held = '\n' .. grant .. '\n' .. pair.scopes
  redis.call('SET', keys.oauth_token(pair.access), 'access' .. held, 'EX', access_ttl_s)
  redis.call('SET', keys.oauth_token(pair.refresh), 'refresh' .. held, 'EX', grant_ttl_s)
  redis.call('EXPIRE', keys.oauth_grant(grant), grant_ttl_s)
end

-- The line of a refresh token; nil for one that does not count.
function grants.line_of(grant, token)
  local line = redis.call('HGET', keys.oauth_grant(grant), 'refresh:' .. token)
  if not line then return nil end
  local parent, seen_at, used, ends_at = line:match('^(%S+) (%d+) (%d) (%d+)$')
  return {parent = parent, seen_at = tonumber(seen_at), used = used == '1',
    ends_at = tonumber(ends_at)}
end

-- Write the line of a refresh token.
function grants.put(grant, token, line)
  local kept = string.format('%s %.0f %d %.0f', line.parent, line.seen_at, line.used and 1 or 0,
    line.ends_at)
  redis.call('HSET', keys.oauth_grant(grant), 'refresh:' .. token, kept)
end

-- Let a refresh token count that was given out for another: `parent`, or `-` for the first one.
function grants.add(grant, token, parent)
  grants.put(grant, token, {parent = parent, seen_at = clock.now_ms, used = false, ends_at = 0})
end

-- Counts a refresh token no more?
function grants.is_over(line) return line.ends_at > 0 and line.ends_at <= clock.now_ms end

-- Make room for one more refresh token: of as many as may count, the one unused longest goes.
function grants.make_room(grant, most)
  local count, least, seen_at = 0, nil, nil
  for _, name in ipairs(redis.call('HKEYS', keys.oauth_grant(grant))) do
    local token = name:match('^refresh:(.+)$')
    local line = token and grants.line_of(grant, token)
    if line then
      count = count + 1
      local last = grants.is_over(line) and 0 or line.seen_at
      if not least or last < seen_at then least, seen_at = name, last end
    end
  end
  if count >= most then redis.call('HDEL', keys.oauth_grant(grant), least) end
end

-- Give a grant its lines that was made when one token ended the other: it names the newest one and
-- the one before it.
function grants.adopt(grant)
  local key = keys.oauth_grant(grant)
  local newest, before = unpack(redis.call('HMGET', key, 'refresh', 'previous'))
  if not newest then return end
  local parent = (before and before ~= '') and before or '-'
  grants.add(grant, newest, parent)
  if parent ~= '-' then
    grants.put(grant, parent, {parent = '-', seen_at = clock.now_ms, used = true, ends_at = 0})
  end
  redis.call('HDEL', key, 'refresh', 'previous', 'rotated_at')
end

-- Remember that a client was consented to, for as long as it comes back.
-- step grants.used_client(digest, ttl_s) -> nothing
function grants.used_client(digest, ttl_s)
  redis.call('SET', keys.oauth_client(digest), '', 'NX', 'EX', ttl_s)
  redis.call('EXPIRE', keys.oauth_client(digest), ttl_s)
end

-- Read what a client said of itself; a client that carries that itself has an empty text here.
-- step grants.client(digest) -> {kept?}
function grants.client(digest) return {kept = redis.call('GET', keys.oauth_client(digest))} end

-- Read the key that seals what strangers carry; it is made once, of what the first one brings.
-- step grants.key(fresh) -> text
function grants.key(fresh)
  local kept = redis.call('GET', keys.oauth_key())
  if not kept then redis.call('SET', keys.oauth_key(), fresh) end
  return kept or fresh
end

-- Read that key, and whether a login was ended before its time.
-- step grants.login(login, fresh) -> {key, has_ended: bool}
function grants.login(login, fresh)
  local has_ended = redis.call('EXISTS', keys.ended_login(login)) == 1
  return {key = grants.key(fresh), has_ended = has_ended}
end

-- End a login before its time, which is over in so long.
-- step grants.end_login(login, left_s) -> nothing
function grants.end_login(login, left_s)
  redis.call('SET', keys.ended_login(login), '', 'EX', left_s)
end

-- Was a question answered?
-- step grants.is_answered(question) -> bool
function grants.is_answered(question)
  return redis.call('ZSCORE', keys.oauth_answered(), question) and true
end

-- Answer a question with no; false where it was answered before. What is remembered is bounded, for
-- a refusal proves nothing. To answer a question twice that was pushed out takes a token of the
-- server both times.
-- step grants.refuse(question, kept_s: number, most: number) -> bool
function grants.refuse(question, kept_s, most)
  local answered = keys.oauth_answered()
  redis.call('ZREMRANGEBYSCORE', answered, '-inf', clock.now_ms - kept_s * 1000)
  local is_open = redis.call('ZADD', answered, 'NX', clock.now_ms, question) == 1
  redis.call('ZREMRANGEBYRANK', answered, 0, -most - 1)
  redis.call('EXPIRE', answered, kept_s)
  return is_open
end

-- Answer a question with a code; false where it was answered before.
-- step grants.decide(question, code, kept, kept_s: number, most: number, code_ttl_s) -> bool
function grants.decide(question, code, kept, kept_s, most, code_ttl_s)
  if redis.call('EXISTS', keys.oauth_code(code)) == 1 then return true end
  if not grants.refuse(question, kept_s, most) then return false end
  redis.call('HSET', keys.oauth_code(code), 'kept', kept, 'v', layouts.now)
  redis.call('EXPIRE', keys.oauth_code(code), code_ttl_s)
  return true
end

-- Read what a code stands for.
-- step grants.read_code(code) -> text?
function grants.read_code(code) return redis.call('HGET', keys.oauth_code(code), 'kept') end

-- End the grant that a code was used for, and name it.
-- step grants.end_used(code) -> text?
function grants.end_used(code)
  local used = redis.call('HGET', keys.oauth_code(code), 'grant')
  if used then grants.finish(used) end
  return used
end

-- Turn a code into a grant and its first tokens, once. What a code was used for is known for as
-- long as an access token lasts: a second use gives the theft away, and ends what came of the
-- first.
-- step grants.exchange(code, grant, pair: {access, refresh, scopes}, access_ttl_s, grant_ttl_s)
--   -> bool
function grants.exchange(code, grant, pair, access_ttl_s, grant_ttl_s)
  local key = keys.oauth_code(code)
  local used, kept = unpack(redis.call('HMGET', key, 'grant', 'kept'))
  if used == grant then return true end
  if used then grants.finish(used) end
  if used or not kept then return false end
  redis.call('HSET', key, 'grant', grant)
  redis.call('EXPIRE', key, access_ttl_s)
  redis.call('HSET', keys.oauth_grant(grant), 'kept', kept, 'v', layouts.now)
  grants.add(grant, pair.refresh, '-')
  grants.hand_out(grant, pair, access_ttl_s, grant_ttl_s)
  return true
end

-- Read a token whose grant lives.
-- step grants.token(digest) -> {kind, grant, scopes, kept}?
function grants.token(digest)
  local held = redis.call('GET', keys.oauth_token(digest))
  local kind, grant, scopes = (held or ''):match('^(%a+)\n([^\n]+)\n(.*)$')
  local kept = grant and redis.call('HGET', keys.oauth_grant(grant), 'kept')
  return kept and {kind = kind, grant = grant, scopes = scopes, kept = kept}
end

-- Read a grant that lives.
-- step grants.read(grant) -> text?
function grants.read(grant) return redis.call('HGET', keys.oauth_grant(grant), 'kept') end

-- Give out new tokens for a refresh token that counts. That it is used shows that it was received,
-- so the one it was given out for may go, after a grace. Returns `rotated`, `again` for one that
-- was used before, `refused`, or `ended` where the use of one that counts no more ends the grant.
-- step grants.rotate(grant, old, pair: {access, refresh, scopes}, reuse_ends: bool,
--   grace_ms: number, most: number, access_ttl_s, grant_ttl_s) -> text
function grants.rotate(grant, old, pair, reuse_ends, grace_ms, most, access_ttl_s, grant_ttl_s)
  if redis.call('HEXISTS', keys.oauth_grant(grant), 'kept') == 0 then return 'refused' end
  grants.adopt(grant)
  if grants.line_of(grant, pair.refresh) then return 'rotated' end
  local line = grants.line_of(grant, old)
  if not line or grants.is_over(line) then
    if not reuse_ends then return 'refused' end
    grants.finish(grant)
    return 'ended'
  end
  local parent = grants.line_of(grant, line.parent)
  if parent and parent.ends_at == 0 then
    parent.ends_at = clock.now_ms + grace_ms
    grants.put(grant, line.parent, parent)
  end
  local outcome = line.used and 'again' or 'rotated'
  line.used, line.seen_at = true, clock.now_ms
  grants.put(grant, old, line)
  redis.call('EXPIRE', keys.oauth_token(old), grant_ttl_s)
  grants.make_room(grant, most)
  grants.add(grant, pair.refresh, old)
  grants.hand_out(grant, pair, access_ttl_s, grant_ttl_s)
  return outcome
end

return grants

-- Tokens of clients, by their digests: whose each is, and what it is good for.
local clock = require 'clock'
local keys = require 'keys'
local signals = require 'signals'
local tokens = {}

-- The signal that what some token was good for may have ended (REVOKED in tokens.py).
tokens.REVOKED = 'tokens'

-- A token as it is kept: five lines.
function tokens.parsed(kept)
  local _, expires_at, server, name, scope =
    kept:match('^(%d+)\n(%d+)\n([^\n]*)\n([^\n]*)\n(.*)$')
  return {expires_at = tonumber(expires_at), server = server, name = name, scope = scope}
end

-- Has a token expired? One that ends at 0 never does.
function tokens.is_over(token)
  return token.expires_at > 0 and token.expires_at <= clock.now_ms
end

-- Forget the tokens that have expired.
function tokens.prune()
  for _, digest in ipairs(redis.call('HKEYS', keys.tokens())) do
    local kept = redis.call('HGET', keys.tokens(), digest)
    if tokens.is_over(tokens.parsed(kept)) then redis.call('HDEL', keys.tokens(), digest) end
  end
end

-- Put a token on record; false where others of its principal are good for something else.
-- step tokens.add(digest, server, name, scope, ttl_ms) -> bool
function tokens.add(digest, server, name, scope, ttl_ms)
  tokens.prune()
  if redis.call('HEXISTS', keys.tokens(), digest) == 1 then return true end
  for _, kept in ipairs(redis.call('HVALS', keys.tokens())) do
    local other = tokens.parsed(kept)
    local is_its = other.server == server and other.name == name
    if is_its and other.scope ~= scope then return false end
  end
  local expires_at = ttl_ms == '' and 0 or clock.now_ms + ttl_ms
  local lines = {clock.digits(clock.now_ms), clock.digits(expires_at), server, name, scope}
  redis.call('HSET', keys.tokens(), digest, table.concat(lines, '\n'))
  return true
end

-- Read a token of a server that has not expired.
-- step tokens.find(digest, server) -> text?
function tokens.find(digest, server)
  local kept = redis.call('HGET', keys.tokens(), digest)
  if not kept then return end
  local token = tokens.parsed(kept)
  return token.server == server and not tokens.is_over(token) and kept
end

-- Has a server any token on record?
-- step tokens.is_guarded(server) -> bool
function tokens.is_guarded(server)
  for _, kept in ipairs(redis.call('HVALS', keys.tokens())) do
    local token = tokens.parsed(kept)
    if token.server == server and not tokens.is_over(token) then return true end
  end
  return false
end

-- Read every token by its digest.
-- step tokens.list() -> [text]
function tokens.list()
  tokens.prune()
  return redis.call('HGETALL', keys.tokens())
end

-- Forget a token, and let every process know.
-- step tokens.revoke(digest) -> nothing
function tokens.revoke(digest)
  redis.call('HDEL', keys.tokens(), digest)
  signals.notify(tokens.REVOKED)
end

return tokens

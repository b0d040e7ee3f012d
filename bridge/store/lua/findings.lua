-- What the last look at Redis, n8n and the tokens found, kept for whoever opens a page.
local clock = require 'clock'
local keys = require 'keys'
local findings = {}

-- Read what was found last, how long ago that was, and whether it is for the asker to look again:
-- after so long, and one of all who ask at a time.
-- step findings.read(again_ms: number) -> {found?, age_ms?: int, is_due: bool}
function findings.read(again_ms)
  local kept = redis.call('HMGET', keys.findings(), 'found', 'at')
  local age_ms = kept[2] and clock.now_ms - kept[2]
  local is_old = not age_ms or age_ms >= again_ms
  return {found = kept[1], age_ms = age_ms, is_due = is_old and redis.call('SET',
    keys.findings_turn(), 1, 'NX', 'PX', again_ms) ~= false}
end

-- Keep what was found just now.
-- step findings.keep(found, ttl_s: number) -> nothing
function findings.keep(found, ttl_s)
  redis.call('HSET', keys.findings(), 'found', found, 'at', clock.now_ms)
  redis.call('EXPIRE', keys.findings(), ttl_s)
end

return findings

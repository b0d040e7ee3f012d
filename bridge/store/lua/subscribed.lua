-- Webhook subscriptions as operators look for them: newest first, of all principals, without their
-- secrets. Of an address only the host leaves the store: whoever knows all of it can write to it.
local keys = require 'keys'
local merging = require 'merging'
local records = require 'records'
local subscribed = {}

-- How a subscription stands: `suspended` sends nothing until its client renews it.
function subscribed.status(s)
  if s.suspended == '1' then return 'suspended' end
  return (s.failed_since or '') ~= '' and 'failing' or 'active'
end

-- How many events of its hook came behind the place up to which all was sent.
function subscribed.behind(s)
  local sum = 0
  for _, status in ipairs({'queued', 'delayed', 'leased', 'answered', 'dead', 'expired'}) do
    local inbox = keys.inbox(s.server, s.hook, status)
    sum = sum + redis.call('ZCOUNT', inbox, '(' .. s.cursor, '+inf')
  end
  return sum
end

-- Is a text, in letters of ASCII small or capital, part of what may be shown of a subscription?
function subscribed.mentions(text, id, s)
  for _, shown in ipairs({id, s.host, s.last_error or ''}) do
    if shown:lower():find(text, 1, true) then return true end
  end
  return false
end

-- Is a subscription one that is wanted? Empty texts stand for any.
function subscribed.is_wanted(wanted, id, s)
  return (wanted.server == '' or wanted.server == s.server)
    and (wanted.hook == '' or wanted.hook == s.hook)
    and (wanted.principal == '' or wanted.principal == s.principal)
    and (not next(wanted.among) or wanted.among[s.status] ~= nil)
    and subscribed.mentions(wanted.text:lower(), id, s)
end

-- What may be shown of a subscription; nil where it has ended.
function subscribed.read(id)
  local key = keys.subscription(id)
  local s = records.fields(key, 'server', 'hook', 'principal', 'url', 'cursor', 'suspended',
    'failed_since', 'last_error', 'last_delivery_at')
  if not s.url then return end
  s.status, s.host = subscribed.status(s), s.url:match('^%w+://([^/?#]+)') or ''
  for _, name in ipairs({'failed_since', 'last_error', 'last_delivery_at'}) do
    if s[name] == '' then s[name] = nil end
  end
  return s
end

-- Find at most `limit` subscriptions, looking at so many. Statuses are a set; an empty one stands
-- for any.
-- step subscribed.find(wanted: {server, hook, principal, among: json, text, since}, before,
--   look_at: number, limit: number) -> {rows: [{subscription_id, server, hook, principal, host,
--   status, behind, expires_at_ms, last_delivery_at_ms?, failed_since_ms?, last_error?}], next?}
function subscribed.find(wanted, before, look_at, limit)
  local rows, index = {}, keys.subscriptions()
  local found = {merging.source(index, before, wanted.since)}
  return {rows = rows, next = merging.each(found, look_at, function(id)
    local s = subscribed.read(id)
    if not s then redis.call('ZREM', index, id) return end
    if not subscribed.is_wanted(wanted, id, s) then return end
    rows[#rows + 1] = {
      subscription_id = id, server = s.server, hook = s.hook, principal = s.principal,
      host = s.host, status = s.status, behind = subscribed.behind(s),
      expires_at_ms = redis.call('PEXPIRETIME', keys.subscription(id)),
      last_delivery_at_ms = s.last_delivery_at, failed_since_ms = s.failed_since,
      last_error = s.last_error,
    }
    return #rows == limit
  end)}
end

return subscribed

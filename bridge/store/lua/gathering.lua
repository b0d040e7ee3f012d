-- The calls of all principals of a server in one list, for operators, who look for the newest of
-- them. It is written behind the steps, by whoever sweeps, so that a new call costs nothing more;
-- what is newer than the last gathering stands in the lists of its principals alone.
local clock = require 'clock'
local keys = require 'keys'
local gathering = {}

-- How far all has been gathered: every call up to this order number is in the list of its server.
function gathering.upto() return tonumber(redis.call('GET', keys.gathered()) or 0) end

-- The principals of an index that are ranked between two scores, each with the list of their calls.
function gathering.callers(index, behind, last)
  local callers = {}
  for i, caller in ipairs(redis.call('ZRANGEBYSCORE', index, behind, last)) do
    local at = cjson.decode(caller)
    callers[i] = {server = at[1], calls = keys.calls(at[1], at[2])}
  end
  return callers
end

-- The score of the last of so many principals behind a score, and whether there are more.
function gathering.last_of(behind, most)
  local page = redis.call('ZRANGEBYSCORE', keys.callers(), behind, '+inf', 'WITHSCORES',
    'LIMIT', 0, most + 1)
  local has_more = #page / 2 > most
  return page[has_more and 2 * most or #page], has_more
end

-- The calls between two order numbers, {caller, ids with order numbers} each; nil where there are
-- more than `limit`.
function gathering.between(callers, from, upto, limit)
  local found, count = {}, 0
  local behind, last = '(' .. clock.digits(from), clock.digits(upto)
  for _, caller in ipairs(callers) do
    local page = redis.call('ZRANGEBYSCORE', caller.calls, behind, last, 'WITHSCORES',
      'LIMIT', 0, limit + 1)
    count = count + #page / 2
    if count > limit then return end
    if #page > 0 then found[#found + 1] = {caller = caller, page = page} end
  end
  return found
end

-- The order number in front of all calls, where nothing has been gathered yet.
function gathering.beginning(callers)
  local before = clock.last_order
  for _, caller in ipairs(callers) do
    local oldest = redis.call('ZRANGE', caller.calls, 0, 0, 'WITHSCORES')
    before = math.min(before, oldest[2] and oldest[2] - 1 or before)
  end
  return before
end

-- Add calls of a caller, ids with order numbers, to the list of the server, which lives as long. As
-- many of its oldest are looked at, so that it does not grow with those that are gone.
function gathering.add(caller, page)
  local list, life_s = keys.calls_of(caller.server), math.max(redis.call('TTL', caller.calls), 1)
  for i = 1, #page, 2 do redis.call('ZADD', list, page[i + 1], page[i]) end
  for _, oldest in ipairs(redis.call('ZRANGE', list, 0, #page / 2)) do
    if redis.call('EXISTS', keys.call(oldest)) == 0 then redis.call('ZREM', list, oldest) end
  end
  if redis.call('TTL', list) < life_s then redis.call('EXPIRE', list, life_s) end
end

-- Note the servers of callers: those that were noted by none, an earlier version's, with them.
function gathering.note_servers(callers)
  local servers = {}
  for _, caller in ipairs(callers) do servers[caller.server] = true end
  for server in pairs(servers) do
    redis.call('ZADD', keys.call_servers(), 'NX', clock.now_ms, server)
  end
end

-- All is gathered up to an order number: who has not called since need not be looked at. Up to the
-- last number that was given it is everybody.
function gathering.finish(upto)
  local done = upto == clock.last_order and '+inf' or clock.digits(upto)
  redis.call('SET', keys.gathered(), clock.digits(upto))
  redis.call('ZREMRANGEBYSCORE', keys.fresh_callers(), '-inf', done)
end

-- Gather the new calls of at most `most` principals behind a score, and at most `limit` of them:
-- where there are more, those of a shorter time. A principal whose score rises meanwhile is met
-- again. Once the last of them is done, all is gathered up to `upto`, which is the
-- moment of the first step, or earlier; until then nobody reads what is gathered.
-- step gathering.gather(behind, upto, most: number, limit: number)
--   -> {behind?, upto, is_cut: bool}
function gathering.gather(behind, upto, most, limit)
  local from, is_cut = gathering.upto(), false
  upto = tonumber(upto) or clock.last_order
  local last, has_more = gathering.last_of(behind, most)
  local callers = last and gathering.callers(keys.callers(), behind, last) or {}
  gathering.note_servers(callers)
  if from == 0 then from = gathering.beginning(callers) end
  local found = gathering.between(callers, from, upto, limit)
  while not found do
    upto, is_cut = from + math.ceil((upto - from) / 4), true
    found = gathering.between(callers, from, upto, limit)
  end
  for _, new in ipairs(found) do gathering.add(new.caller, new.page) end
  if not has_more and upto > gathering.upto() then gathering.finish(upto) end
  local next = has_more and '(' .. last or nil
  return {behind = next, upto = clock.digits(upto), is_cut = is_cut}
end

return gathering

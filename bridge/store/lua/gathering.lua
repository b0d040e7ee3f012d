-- The calls of all principals of a server in one list, for operators, who look for the newest of
-- them. It is written behind the steps, by whoever sweeps, so that a new call costs nothing more;
-- what is newer than the last gathering stands in the lists of its principals alone.
local clock = require 'clock'
local keys = require 'keys'
local gathering = {}

-- How far all has been gathered: every call up to this order number is in the list of its server.
function gathering.upto() return tonumber(redis.call('GET', keys.gathered()) or 0) end

-- Principals that may have calls on record, each with the list of their calls.
function gathering.callers()
  local callers = {}
  for i, caller in ipairs(redis.call('ZRANGE', keys.callers(), 0, -1)) do
    local at = cjson.decode(caller)
    callers[i] = {server = at[1], calls = keys.calls(at[1], at[2])}
  end
  return callers
end

-- How far to gather at once: not beyond the order number where there are more than `limit` calls.
function gathering.goal(callers, from, limit)
  local upto, count = clock.last_order, nil
  repeat
    if count then upto = from + math.max(1, math.floor((upto - from) * limit / count / 2)) end
    count = 0
    for _, caller in ipairs(callers) do
      count = count + redis.call('ZCOUNT', caller.calls, '(' .. clock.digits(from),
        clock.digits(upto))
    end
  until count <= limit
  return upto
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

-- Add calls, {order number, id} each, to the list of their server, which lives as long as that of
-- their principal. As many of the oldest are looked at, so that it does not grow with those gone.
function gathering.add(server, added, life_s)
  local list = keys.calls_of(server)
  for _, call in ipairs(added) do redis.call('ZADD', list, call[1], call[2]) end
  for _, oldest in ipairs(redis.call('ZRANGE', list, 0, #added)) do
    if redis.call('EXISTS', keys.call(oldest)) == 0 then redis.call('ZREM', list, oldest) end
  end
  if redis.call('TTL', list) < life_s then redis.call('EXPIRE', list, life_s) end
end

-- Gather the calls that are new, at most `limit` of them. Returns whether more are left.
-- step gathering.gather(limit: number) -> bool
function gathering.gather(limit)
  local from = gathering.upto()
  if from >= clock.last_order then return false end
  local callers = gathering.callers()
  if from == 0 then from = gathering.beginning(callers) end
  local upto = gathering.goal(callers, from, limit)
  for _, caller in ipairs(callers) do
    local found, added = redis.call('ZRANGEBYSCORE', caller.calls, '(' .. clock.digits(from),
      clock.digits(upto), 'WITHSCORES'), {}
    for i = 1, #found, 2 do added[#added + 1] = {found[i + 1], found[i]} end
    if #added > 0 then
      gathering.add(caller.server, added, math.max(redis.call('TTL', caller.calls), 1))
    end
  end
  redis.call('SET', keys.gathered(), clock.digits(upto))
  return upto < clock.last_order
end

return gathering

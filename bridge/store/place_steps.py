"""Places of workers: shared fairly between servers, then between their principals, in Lua.

The places of all living workers are counted together. While none waits, whoever comes has one that
is free. Else calls wait, and a place that becomes free goes to the server that holds fewest, there
to the principal that has waited longest for its next one (start-time fair queueing: each call of a
principal stands one turn behind its last). A principal that holds none need not wait for that: an
eighth on top of all places is for these, so that long calls of others keep nobody out.

Source: Goyal, Vin, Cheng, "Start-time Fair Queueing", SIGCOMM 1996.
"""

PLACES = """
local function capacity()
  local sum, rows = 0, redis.call('HGETALL', places_key())
  for i = 1, #rows, 2 do
    local beat = redis.call('ZSCORE', processes_key(), rows[i])
    if beat and now - beat < 6000 then sum = sum + rows[i + 1]
    else redis.call('HDEL', places_key(), rows[i]) end
  end
  return sum
end
local function taken(key)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  return redis.call('ZCARD', key)
end
local function keys_of_places(call)
  local of = redis.call('HMGET', call_key(call), 'server', 'principal')
  return {placed_key(), placed_of_key(of[1] or ''), placed_by_key(of[1] or '', of[2] or '')}
end
local function place(call, until_ms)
  for _, key in ipairs(keys_of_places(call)) do redis.call('ZADD', key, until_ms, call) end
end
local function stand_in_line(call, server, principal)
  local turns = redis.call('HMGET', fair_turns_key(server), 'now ', 'of ' .. principal)
  if redis.call('ZSCORE', placeless_key(server), call) then return end
  local turn = math.max(tonumber(turns[1] or 0), tonumber(turns[2] or 0)) + 1
  redis.call('HSET', fair_turns_key(server), 'of ' .. principal, turn)
  redis.call('EXPIRE', fair_turns_key(server), 86400)
  redis.call('ZADD', placeless_key(server), turn, call)
  redis.call('ZADD', placeless_servers_key(), now, server)
end
local function next_in_line()
  local best, fewest
  for _, server in ipairs(redis.call('ZRANGE', placeless_servers_key(), 0, -1)) do
    if redis.call('EXISTS', placeless_key(server)) == 0 then redis.call('ZREM', placeless_servers_key(), server)
    else
      local holds = taken(placed_of_key(server))
      if not fewest or holds < fewest then best, fewest = server, holds end
    end
  end
  if not best then return end
  local first = redis.call('ZPOPMIN', placeless_key(best))
  redis.call('HSET', fair_turns_key(best), 'now ', first[2])
  return first[1]
end
local function fill_places(asking)
  if redis.call('EXISTS', placeless_servers_key()) == 0 then return end
  local free = capacity() - taken(placed_key())
  while free > 0 do
    local call = next_in_line()
    if not call then return end
    if redis.call('HGET', call_key(call), 'status') == 'queued' then
      place(call, now + 30000)
      free = free - 1
      if call ~= asking then
        redis.call('ZADD', due_calls_key(), now, call)
        ring('due_calls')
      end
    end
  end
end
local function leave_place(call)
  local keys, left = keys_of_places(call), 0
  for _, key in ipairs(keys) do left = left + redis.call('ZREM', key, call) end
  left = left + redis.call('ZREM', placeless_key(redis.call('HGET', call_key(call), 'server') or ''), call)
  if left > 0 then fill_places(call) end
end
local function has_place(call, server, principal)
  if redis.call('ZSCORE', placed_key(), call) then return true end
  local all = capacity()
  if redis.call('EXISTS', placeless_servers_key()) == 0 and taken(placed_key()) < all then
    place(call, now + 30000)
    return true
  end
  stand_in_line(call, server, principal)
  fill_places(call)
  local is_new = taken(placed_by_key(server, principal)) == 0
  if is_new and redis.call('ZCARD', placed_key()) < all + math.floor(all / 8) then
    redis.call('ZREM', placeless_key(server), call)
    place(call, now + 30000)
  end
  return redis.call('ZSCORE', placed_key(), call)
end
"""
"""`has_place(call, …)` of one that is to run, `leave_place(call)` of one that runs no more."""

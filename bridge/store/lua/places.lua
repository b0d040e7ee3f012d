-- Places of workers: shared fairly between servers, then between their principals.
--
-- The places of all living workers are counted together. While none waits, a call that comes has
-- one that is free. Else calls wait, and a place that becomes free goes to the server that holds
-- fewest, there to the principal that has waited longest for its next one (start-time fair
-- queueing: each call of a principal stands one turn behind its last). A principal that holds none
-- need not wait for that: an eighth on top of all places is for these, so that long calls of others
-- keep nobody out.
--
-- Source: Goyal, Vin, Cheng, "Start-time Fair Queueing", SIGCOMM 1996.
local clock = require 'clock'
local keys = require 'keys'
local processes = require 'processes'
local records = require 'records'
local signals = require 'signals'
local places = {}

-- A place that was given is kept for so long for the worker that is to take the call.
places.KEPT_MS = 30000

-- Record how many calls a worker may run at once, which is a sign of its life too.
-- step places.announce(process, count: number) -> nothing
function places.announce(process, count)
  redis.call('HSET', keys.places(), process, count)
  redis.call('ZADD', keys.processes(), clock.now_ms, process)
end

-- How many places all living workers have together.
function places.capacity()
  local sum, rows = 0, redis.call('HGETALL', keys.places())
  for i = 1, #rows, 2 do
    if processes.lives(rows[i]) then
      sum = sum + rows[i + 1]
    else
      redis.call('HDEL', keys.places(), rows[i])
    end
  end
  return sum
end

-- How many places are taken, of all or of one server or principal: `index` says whose.
function places.taken(index)
  redis.call('ZREMRANGEBYSCORE', index, '-inf', clock.now_ms)
  return redis.call('ZCARD', index)
end

-- Give a call a place until a moment. Of `c` it takes server and principal.
function places.give(call_id, c, until_ms)
  redis.call('ZADD', keys.placed(), until_ms, call_id)
  redis.call('ZADD', keys.placed_of(c.server), until_ms, call_id)
  redis.call('ZADD', keys.placed_by(c.server, c.principal), until_ms, call_id)
end

-- Take the place from a call that runs, as far as it has one.
function places.leave(call_id, c)
  redis.call('ZREM', keys.placed(), call_id)
  redis.call('ZREM', keys.placed_of(c.server), call_id)
  redis.call('ZREM', keys.placed_by(c.server, c.principal), call_id)
end

-- Find out whether a queued call has a place, or can have one now: in how many milliseconds it is
-- to be looked at again, 0 if it may go on. A call that waits stands in line from here on, and
-- keeps its slot meanwhile.
-- step places.take(call_id, look_again_ms: number) -> int
function places.take(call_id, look_again_ms)
  local c = records.fields(keys.call(call_id), 'status', 'server', 'principal', 'workflow')
  if c.status ~= 'queued' or places.has(call_id, c) then return 0 end
  redis.call('ZADD', keys.slots(c.server, c.workflow), clock.now_ms + 600000, call_id)
  local rank = redis.call('ZRANK', keys.placeless(c.server), call_id)
  redis.call('ZADD', keys.due_calls(), clock.now_ms + look_again_ms + 100 * rank, call_id)
  return look_again_ms + 100 * rank
end

-- Have a call wait for a place, one turn behind the last of its principal.
function places.stand_in_line(call_id, server, principal)
  local line, turns = keys.placeless(server), keys.fair_turns(server)
  if redis.call('ZSCORE', line, call_id) then return end
  local last = redis.call('HMGET', turns, 'now ', 'of ' .. principal)
  local turn = math.max(tonumber(last[1] or 0), tonumber(last[2] or 0)) + 1
  redis.call('HSET', turns, 'of ' .. principal, turn)
  redis.call('EXPIRE', turns, 86400)
  redis.call('ZADD', line, turn, call_id)
  redis.call('ZADD', keys.placeless_servers(), clock.now_ms, server)
end

-- Take the call whose turn it is out of its line.
function places.next_in_line()
  local servers, best, fewest = keys.placeless_servers(), nil, nil
  for _, server in ipairs(redis.call('ZRANGE', servers, 0, -1)) do
    if redis.call('EXISTS', keys.placeless(server)) == 0 then
      redis.call('ZREM', servers, server)
    else
      local count = places.taken(keys.placed_of(server))
      if not fewest or count < fewest then best, fewest = server, count end
    end
  end
  if not best then return end
  local first = redis.call('ZPOPMIN', keys.placeless(best))
  redis.call('HSET', keys.fair_turns(best), 'now ', first[2])
  return first[1]
end

-- Give free places to those who wait; a call but the one that asks is due at once.
function places.fill(asking)
  if redis.call('EXISTS', keys.placeless_servers()) == 0 then return end
  local free = places.capacity() - places.taken(keys.placed())
  while free > 0 do
    local call_id = places.next_in_line()
    if not call_id then return end
    local c = records.fields(keys.call(call_id), 'status', 'server', 'principal')
    if c.status == 'queued' then
      places.give(call_id, c, clock.now_ms + places.KEPT_MS)
      free = free - 1
      if call_id ~= asking then
        redis.call('ZADD', keys.due_calls(), clock.now_ms, call_id)
        signals.notify('due_calls')
      end
    end
  end
end

-- Give the places that are free to those who wait for one, after a call has left its own.
-- step places.pass_on() -> nothing
function places.pass_on() places.fill('') end

-- Has a call a place, or can it have one now? If not, it stands in line from here on.
function places.has(call_id, c)
  if redis.call('ZSCORE', keys.placed(), call_id) then return true end
  local all, kept_until = places.capacity(), clock.now_ms + places.KEPT_MS
  local is_line_empty = redis.call('EXISTS', keys.placeless_servers()) == 0
  if is_line_empty and places.taken(keys.placed()) < all then
    places.give(call_id, c, kept_until)
    return true
  end
  places.stand_in_line(call_id, c.server, c.principal)
  places.fill(call_id)
  local has_none = places.taken(keys.placed_by(c.server, c.principal)) == 0
  if has_none and redis.call('ZCARD', keys.placed()) < all + math.floor(all / 8) then
    redis.call('ZREM', keys.placeless(c.server), call_id)
    places.give(call_id, c, kept_until)
  end
  return redis.call('ZSCORE', keys.placed(), call_id)
end

return places

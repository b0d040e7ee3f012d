-- Minutes: by how much each total rose in each of the last, for charts. They are made of the totals
-- once a minute, by whichever process sweeps, so that what changes a total need not know of them.
local clock = require 'clock'
local keys = require 'keys'
local minutes = {}

-- A day of minutes is kept, and an hour more for whoever reads it.
minutes.KEPT_S = 25 * 3600

-- The field that names the minute up to which totals are kept; no total is named so.
minutes.UP_TO = ' minute'

-- Keep by how much the totals rose since this was done last, as what the minute that has just ended
-- brought. Returns in how many milliseconds there is another to keep. The first time there is
-- nothing to compare with.
-- step minutes.keep() -> int
function minutes.keep()
  local now, before = math.floor(clock.now_ms / 60000), {}
  local known = redis.call('HGETALL', keys.counted())
  for i = 1, #known, 2 do before[known[i]] = known[i + 1] end
  local last = tonumber(before[minutes.UP_TO] or 0)
  if last < now then
    minutes.write(now, before, last > 0 and keys.minute(clock.digits(now - 1)))
  end
  return (now + 1) * 60000 - clock.now_ms
end

-- Write the rises into the key of a minute, if there is one, and the totals as they are now.
function minutes.write(now, before, minute)
  local rows = redis.call('HGETALL', keys.counters())
  for i = 1, #rows, 2 do
    local name, rise = rows[i], rows[i + 1] - (before[rows[i]] or 0)
    if rise ~= 0 then redis.call('HSET', keys.counted(), name, rows[i + 1]) end
    if minute and rise > 0 then redis.call('HSET', minute, name, rise) end
    if minute then minutes.write_backlog(minute, name) end
  end
  redis.call('HSET', keys.counted(), minutes.UP_TO, now)
  redis.call('EXPIRE', keys.counted(), minutes.KEPT_S)
  if minute then redis.call('EXPIRE', minute, minutes.KEPT_S) end
end

-- Write how many events are queued on the hook of a total at the end of a minute, where there are.
function minutes.write_backlog(minute, name)
  local server, hook = name:match('^events|(.-)|(.-)|queued$')
  local size = server and redis.call('ZCARD', keys.inbox(server, hook, 'queued')) or 0
  if size > 0 then redis.call('HSET', minute, 'backlog|' .. server .. '|' .. hook, size) end
end

-- Read some minutes from one on, as numbered since 1970; those that brought nothing are left out.
-- step minutes.read(first: number, count: number) -> [{minute, rises: [text]}]
function minutes.read(first, count)
  local rows = {}
  for minute = first, first + count - 1 do
    local rises = redis.call('HGETALL', keys.minute(clock.digits(minute)))
    if #rises > 0 then rows[#rows + 1] = {minute = minute, rises = rises} end
  end
  return rows
end

-- By how much the totals rose since the last minute was kept, as names and values.
-- step minutes.running() -> [text]
function minutes.running()
  local before, found = {}, {}
  local known, rows = redis.call('HGETALL', keys.counted()), redis.call('HGETALL', keys.counters())
  for i = 1, #known, 2 do before[known[i]] = known[i + 1] end
  for i = 1, #rows, 2 do
    local rise = rows[i + 1] - (before[rows[i]] or 0)
    if rise > 0 then
      found[#found + 1] = rows[i]
      found[#found + 1] = clock.digits(rise)
    end
  end
  return #known > 0 and found or {}
end

-- Read the minute that it is.
-- step minutes.now() -> int
function minutes.now() return math.floor(clock.now_ms / 60000) end

return minutes

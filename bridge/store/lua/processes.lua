-- Processes: which of them live, and what each must answer for.
local clock = require 'clock'
local keys = require 'keys'
local layouts = require 'layouts'
local signals = require 'signals'
local processes = {}

-- A process that has not been heard of for so long has died (LIFE_S in processes.py).
processes.LIFE_MS = 6000

-- The signal that what some process did is for others to do (DIED in processes.py).
processes.DIED = 'process.died'

-- Is a process alive, as far as Redis has heard?
function processes.lives(process)
  local beat = redis.call('ZSCORE', keys.processes(), process)
  return beat and clock.now_ms - beat < processes.LIFE_MS
end

-- Put on record that a process answers for something: a `kind id token`. Others take that over when
-- it dies, so it must be known as a process from here on.
function processes.hold(process, what)
  redis.call('SADD', keys.held(process), what)
  redis.call('ZADD', keys.processes(), 'NX', clock.now_ms, process)
end

-- Record that a process lives, and what it says of itself, if anything.
-- step processes.beat(process, report) -> nothing
function processes.beat(process, report)
  redis.call('ZADD', keys.processes(), clock.now_ms, process)
  if report ~= '' then redis.call('SET', keys.report(process), report, 'EX', 60) end
end

-- Become or stay the one process that sweeps, for so long, and have the store go on to the latest
-- layout that it may: `raised_to`, where that is another than before.
-- step processes.lead(process, life_ms, newest: number) -> {leads: bool, raised_to?: int}
function processes.lead(process, life_ms, newest)
  local leader = redis.call('GET', keys.sweeper())
  if leader and leader ~= process then return {leads = false} end
  redis.call('SET', keys.sweeper(), process, 'PX', life_ms)
  return {leads = true, raised_to = layouts.raise(newest)}
end

-- Find the processes that have not been heard of for so long, and what each still holds.
-- step processes.dead(life_ms: number) -> [{process, held: [text]}]
function processes.dead(life_ms)
  local rows = {}
  local silent = redis.call('ZRANGEBYSCORE', keys.processes(), '-inf', clock.now_ms - life_ms)
  for _, process in ipairs(silent) do
    rows[#rows + 1] = {process = process, held = redis.call('SMEMBERS', keys.held(process))}
  end
  return rows
end

-- Forget a dead process once others have taken over what it held, unless it holds more by now.
-- step processes.forget(process, held: json) -> nothing
function processes.forget(process, held)
  for _, what in ipairs(held) do redis.call('SREM', keys.held(process), what) end
  if redis.call('EXISTS', keys.held(process)) == 0 then
    redis.call('ZREM', keys.processes(), process)
  end
  signals.notify(processes.DIED)
end

return processes

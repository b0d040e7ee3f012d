-- Alerts: which rules hold, since when, and what its receivers are told of each.
--
-- A rule is judged place by place. What holds has a state, by `rule|place`, and once it has held
-- for long enough it fires: one message for each receiver, and one more when it is over.
local alert_outbox = require 'alert_outbox'
local clock = require 'clock'
local keys = require 'keys'
local alerts = {}

-- So long a state is kept while nobody judges, in seconds.
alerts.KEPT_S = 7 * 86400

-- What has not fired, and was not looked at for so long, begins to hold anew.
alerts.GAP_MS = 30000

-- Who has the turn, and since when; nothing where nobody has.
function alerts.turn()
  local since, holder = (redis.call('GET', keys.alert_turn()) or ''):match('^(%d+) (.+)$')
  return holder, since
end

-- Become or stay the one process that judges and tells, for so long. `since` is when the turn of
-- whoever has it began.
-- step alerts.lead(process, life_ms: number) -> {leads: bool, since: int}
function alerts.lead(process, life_ms)
  local holder, since = alerts.turn()
  since = since or clock.digits(clock.now_ms)
  if holder and holder ~= process then return {leads = false, since = since} end
  redis.call('SET', keys.alert_turn(), since .. ' ' .. process, 'PX', life_ms)
  return {leads = true, since = since}
end

-- Go on from what was read: each reading is {rule, place, id, holds, for_ms, repeat_ms, to, value,
-- said}. Rules that are `unread` stay as they are, and what has neither is over, or looked at no
-- more, for the reason that `gone` has by its name. Only who has the turn may: what a process read
-- before it stood still for a while is no longer so. Returns what has begun to fire, and what is
-- over.
-- step alerts.judge(process, readings: json, unread: json, gone: json) -> [{name, what}]
function alerts.judge(process, readings, unread, gone)
  local states, began = alerts.states(), {}
  if alerts.turn() ~= process then return began end
  for _, reading in ipairs(readings) do
    local name = reading.rule .. '|' .. reading.place
    local state = states[name]
    states[name] = nil
    local what
    if reading.holds then
      what = alerts.hold(name, state, reading)
    elseif state then
      what = alerts.finish(name, state, reading.value)
    end
    if what then began[#began + 1] = {name = name, what = what} end
  end
  local is_unread = {}
  for _, rule in ipairs(unread) do is_unread[rule] = true end
  for name, state in pairs(states) do
    local what = not is_unread[name:match('^(.-)|')] and alerts.finish(name, state, nil, gone[name])
    if what then began[#began + 1] = {name = name, what = what} end
  end
  redis.call('EXPIRE', keys.alerts(), alerts.KEPT_S)
  return began
end

-- The states by their names.
function alerts.states()
  local rows, states = redis.call('HGETALL', keys.alerts()), {}
  for i = 1, #rows, 2 do states[rows[i]] = alerts.read(rows[i + 1]) end
  return states
end

-- One state. A moment that is still to come was before Redis's clock was set back, and is now.
function alerts.read(row)
  local state = cjson.decode(row)
  state.since = math.min(state.since, clock.now_ms)
  state.told_at = state.told_at and math.min(state.told_at, clock.now_ms)
  return state
end

-- Go on with what holds. Returns `firing` where its receivers are told for the first time.
function alerts.hold(name, state, reading)
  local now, what = clock.now_ms, nil
  if not state or not state.fired_at and now - state.seen_at > alerts.GAP_MS then
    state = {id = reading.id, since = now, times = 0}
  end
  state.seen_at, state.said, state.to = now, reading.said, reading.to
  if not state.fired_at and now - state.since >= reading.for_ms then
    state.fired_at, what = now, 'firing'
  end
  local again_at = state.told_at
    and (reading.repeat_ms > 0 and state.told_at + reading.repeat_ms or math.huge)
  if state.fired_at and now >= (again_at or 0) then
    state.told_at, state.times = now, state.times + 1
    alerts.tell(name, state, 'firing', 'firing_' .. state.times)
  end
  redis.call('HSET', keys.alerts(), name, cjson.encode(state))
  return what
end

-- End what holds no more. Returns `resolved` where its receivers were told of it.
function alerts.finish(name, state, value, gone)
  redis.call('HDEL', keys.alerts(), name)
  if not state.fired_at then return end
  alerts.tell(name, state, 'resolved', 'resolved', value, gone)
  return 'resolved'
end

-- Leave each receiver of a state a message.
function alerts.tell(name, state, what, mark, value, gone)
  local rule, place = name:match('^(.-)|(.*)$')
  local message = cjson.encode({id = state.id .. '_' .. mark, what = what, alert = state.id,
    rule = rule, place = place, since = state.since, at = clock.now_ms, said = state.said,
    value = value, gone = gone})
  for _, receiver in ipairs(state.to) do alert_outbox.push(receiver, message) end
end

-- Read every state, as a name and JSON each.
-- step alerts.list() -> [text]
function alerts.list() return redis.call('HGETALL', keys.alerts()) end

-- Is it time for a heartbeat? If so, it is this process that sends it: its moment is returned. One
-- that is still to come was sent before Redis's clock was set back.
-- step alerts.beat(every_ms: number) -> int?
function alerts.beat(every_ms)
  local now, last = clock.now_ms, tonumber(redis.call('GET', keys.heartbeat()) or 0)
  if last <= now and now - last < every_ms then return end
  -- Measured from when it was due, so that they come as often as they should.
  local is_late = now - last >= 2 * every_ms
  local due = (is_late or last > now) and now or last + every_ms
  redis.call('SET', keys.heartbeat(), clock.digits(due), 'EX', 86400)
  return clock.digits(now)
end

return alerts

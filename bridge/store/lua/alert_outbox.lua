-- What receivers of alerts are still to be told: a list each, of which one process at a time sends
-- the first message until it was taken.
local clock = require 'clock'
local counters = require 'counters'
local keys = require 'keys'
local processes = require 'processes'
local records = require 'records'
local alert_outbox = {}

-- A message that was not taken for so long is given up.
alert_outbox.TOLD_MS = 86400000

-- So many wait for a receiver; the oldest makes room.
alert_outbox.MOST = 1000

-- So long it is remembered how a receiver took what it was sent last, in seconds.
alert_outbox.REMEMBERED_S = 30 * 86400

-- Leave a receiver a message.
function alert_outbox.push(receiver, message)
  local key = keys.alert_outbox(receiver)
  if redis.call('RPUSH', key, message) > alert_outbox.MOST then
    redis.call('LPOP', key)
    alert_outbox.count(receiver, 'given_up')
  end
  redis.call('PEXPIRE', key, 2 * alert_outbox.TOLD_MS)
end

-- Count how a message to a receiver ended.
function alert_outbox.count(receiver, outcome)
  counters.add(1, 'alert_deliveries', receiver, outcome)
end

-- Take the next message of a receiver to send it, unless another living process does, or a pause
-- is not over. `token` is this attempt's.
-- step alert_outbox.take(receiver, process, token, within_ms: number) -> {message, attempt: int}?
function alert_outbox.take(receiver, process, token, within_ms)
  local message = redis.call('LINDEX', keys.alert_outbox(receiver), 0)
  if not message then return end
  local key, now = keys.alert_receiver(receiver), clock.now_ms
  local r = records.fields(key, 'token', 'process', 'free_at', 'due_at', 'attempts',
    'failed_at')
  if r.token ~= token then
    local is_taken = r.token and tonumber(r.free_at) > now and processes.lives(r.process)
    -- What failed at a moment to come did so before Redis's clock was set back.
    local is_paused = tonumber(r.due_at or 0) > now and tonumber(r.failed_at or 0) <= now
    if is_taken or is_paused then return end
    r.attempts = redis.call('HINCRBY', key, 'attempts', 1)
    redis.call('HSET', key, 'token', token, 'process', process, 'free_at', now + within_ms)
    redis.call('EXPIRE', key, alert_outbox.REMEMBERED_S)
  end
  return {message = message, attempt = r.attempts}
end

-- The first message of a receiver where it has this id, decoded.
function alert_outbox.first(receiver, message_id)
  local message = redis.call('LINDEX', keys.alert_outbox(receiver), 0)
  message = message and cjson.decode(message)
  return message and message.id == message_id and message or nil
end

-- Record that a receiver took a message, whoever sent it.
-- step alert_outbox.taken(receiver, message_id) -> nothing
function alert_outbox.taken(receiver, message_id)
  if not alert_outbox.first(receiver, message_id) then return end
  redis.call('LPOP', keys.alert_outbox(receiver))
  redis.call('HDEL', keys.alert_receiver(receiver), 'token', 'attempts', 'due_at', 'failure',
    'failed_at')
  alert_outbox.remember(receiver, 'delivered')
end

-- Record that a receiver did not take a message: it is sent again after a pause, or given up.
-- Returns `again`, `given_up`, or `lost` where another process sends it by now.
-- step alert_outbox.refused(receiver, token, message_id, failure, pause_ms: number) -> text
function alert_outbox.refused(receiver, token, message_id, failure, pause_ms)
  local key, message = keys.alert_receiver(receiver), alert_outbox.first(receiver, message_id)
  if not message or redis.call('HGET', key, 'token') ~= token then return 'lost' end
  redis.call('HDEL', key, 'token')
  redis.call('HSET', key, 'due_at', clock.now_ms + pause_ms, 'failure', failure, 'failed_at',
    clock.now_ms)
  local is_old = clock.now_ms - message.at > alert_outbox.TOLD_MS
  if is_old then
    redis.call('LPOP', keys.alert_outbox(receiver))
    redis.call('HDEL', key, 'attempts')
  end
  alert_outbox.remember(receiver, is_old and 'given_up' or 'failed')
  return is_old and 'given_up' or 'again'
end

-- Count how an attempt ended, and remember when a receiver last took something.
function alert_outbox.remember(receiver, outcome)
  local key = keys.alert_receiver(receiver)
  alert_outbox.count(receiver, outcome)
  if outcome == 'delivered' then redis.call('HSET', key, 'delivered_at', clock.now_ms) end
  redis.call('EXPIRE', key, alert_outbox.REMEMBERED_S)
end

-- Record how a receiver took a heartbeat, which is not sent again.
-- step alert_outbox.heard(receiver, failure) -> nothing
function alert_outbox.heard(receiver, failure)
  local key = keys.alert_receiver(receiver)
  if failure == '' then
    redis.call('HDEL', key, 'failure', 'failed_at')
  else
    redis.call('HSET', key, 'failure', failure, 'failed_at', clock.now_ms)
  end
  alert_outbox.remember(receiver, failure == '' and 'delivered' or 'failed')
end

-- Read how each of some receivers stands.
-- step alert_outbox.stand(receivers: json)
--   -> [{receiver, waiting, delivered_at?, failed_at?, failure?}]
function alert_outbox.stand(receivers)
  local rows = {}
  for _, receiver in ipairs(receivers) do
    local row = records.fields(keys.alert_receiver(receiver), 'delivered_at', 'failed_at',
      'failure')
    row.receiver, row.waiting = receiver, redis.call('LLEN', keys.alert_outbox(receiver))
    rows[#rows + 1] = row
  end
  return rows
end

return alert_outbox

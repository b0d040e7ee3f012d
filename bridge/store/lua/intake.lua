-- Intake: a payload becomes an event once, or it is refused, or it becomes part of another event.
local clock = require 'clock'
local counters = require 'counters'
local events = require 'events'
local keys = require 'keys'
local layouts = require 'layouts'
local questions = require 'questions'
local records = require 'records'
local signals = require 'signals'
local subscriptions = require 'subscriptions'
local timeline = require 'timeline'
local waiters = require 'waiters'
local intake = {}

-- Accept a payload. What a repeat of it finds comes first, so that it gets the same answer; then
-- what could merge it, for that is refused nothing; and what is refused leaves no trace.
-- step intake.accept(new: {event_id, server, hook, content, media_type, summary, kept, all_files,
--   file_sizes: json, digest, idempotency, window_s, reply_url, reply_deadline_ms, default_reply,
--   lease_s, max_attempts, answer_within_s: number, ttl_s: number, rate_count: number,
--   rate_ms: number, queue_limit: number, execution, coalesce, coalesce_ms, call_id,
--   trace})
--   -> {outcome, detail?, order?, received_at?, event?: events.row}
function intake.accept(new)
  local answer = intake.earlier(new)
  if answer then return answer end
  local event, is_unheard = keys.event(new.event_id), intake.is_unheard(new)
  if not is_unheard and redis.call('EXISTS', event) == 1 then
    return {outcome = 'accepted', event = events.row(new.event_id)}
  end
  local into = intake.mergeable(new)
  local refusal = not into and (questions.refusal(new.call_id, new.server) or intake.refusal(new))
  if refusal then return refusal end
  if new.idempotency ~= '' then
    local seen = keys.idempotency(new.idempotency)
    redis.call('HSET', seen, 'id', into or new.event_id, 'digest', new.digest, 'v', layouts.now)
    redis.call('EXPIRE', seen, new.window_s)
  end
  if into then return intake.merge(new, into) end
  local order = intake.write(new)
  if not is_unheard then
    subscriptions.wake(new.server, new.hook)
    waiters.wake_first(new.server, new.hook)
  end
  return {outcome = 'accepted', order = order, received_at = clock.now_ms}
end

-- Does the event come for the first time, and to a hook that nobody waits for? Nearly all do.
function intake.is_unheard(new)
  return redis.call('EXISTS', keys.event(new.event_id), keys.subscribers(new.server, new.hook),
    keys.line(new.server, 'hook-' .. new.hook), keys.line(new.server, 'any')) == 0
end

-- The answer to a request that was merged before, or whose key stands for another event.
function intake.earlier(new)
  local into = new.coalesce ~= '' and redis.call('GET', keys.merged(new.event_id))
  if into and redis.call('EXISTS', keys.event(into)) == 1 then
    return {outcome = 'merged', event = events.row(into)}
  end
  if new.idempotency == '' then return end
  local seen = records.fields(keys.idempotency(new.idempotency), 'id', 'digest')
  local is_other = seen.id and seen.id ~= new.event_id
  if not is_other or redis.call('EXISTS', keys.event(seen.id)) == 0 then return end
  if seen.digest ~= new.digest then return {outcome = 'conflict'} end
  return {outcome = 'duplicate', event = events.row(seen.id)}
end

-- The event that this one may become part of: of its kind, and seen by nobody yet.
function intake.mergeable(new)
  local open = new.coalesce ~= '' and redis.call('GET', keys.coalesce(new.coalesce))
  if not open then return end
  local e = records.fields(keys.event(open), 'status', 'lease')
  return (e.status == 'queued' or e.status == 'delayed') and not e.lease and open or nil
end

-- Make this request a part of an event, which shows the newest payload. Where it went is remembered
-- for a minute, so that the step may be repeated.
function intake.merge(new, into)
  local event, details = keys.event(into), {request = new.event_id, execution = new.execution}
  local e = records.fields(event, 'merged', 'timeline')
  redis.call('HSET', event, 'body', new.content, 'media_type', new.media_type,
    'summary', new.summary, 'kept', new.kept, 'merged', (e.merged or 0) + 1,
    'timeline', timeline.longer(event, e.timeline or '', 'merged', details))
  intake.keep_files(new, into, math.max(redis.call('TTL', event), 1))
  redis.call('SET', keys.merged(new.event_id), into, 'EX', 60)
  return {outcome = 'merged', event = events.row(into)}
end

-- Why a hook takes in no more, and in how many milliseconds it may again.
function intake.refusal(new)
  if new.rate_count > 0 then
    local came = keys.arrivals(new.server, new.hook)
    local spare = redis.call('LLEN', came) - new.rate_count
    local free_at = spare >= 0 and redis.call('LINDEX', came, spare) + new.rate_ms or clock.now_ms
    if free_at > clock.now_ms then
      return {outcome = 'too many', detail = clock.digits(free_at - clock.now_ms)}
    end
  end
  if new.queue_limit > 0 then
    local queued = redis.call('ZCARD', keys.inbox(new.server, new.hook, 'queued'))
      + redis.call('ZCARD', keys.inbox(new.server, new.hook, 'delayed'))
    if queued >= new.queue_limit then return {outcome = 'full', detail = '10000'} end
  end
end

-- Write a new event and all that points to it; returns its order number.
function intake.write(new)
  local event, reply, id = keys.event(new.event_id), keys.reply(new.event_id), new.event_id
  local lives_s, order = math.ceil(new.answer_within_s + new.ttl_s), clock.next_order()
  intake.count_arrival(new)
  if new.coalesce ~= '' then
    redis.call('SET', keys.coalesce(new.coalesce), id, 'PX', new.coalesce_ms)
  end
  intake.keep_files(new, id, lives_s)
  redis.call('HSET', event, 'id', id, 'server', new.server, 'hook', new.hook, 'status', 'queued',
    'attempt', 0, 'order', order, 'received_at', clock.now_ms, 'body', new.content,
    'kept', new.kept, 'media_type', new.media_type, 'summary', new.summary, 'lease_s', new.lease_s,
    'max_attempts', new.max_attempts, 'ttl_s', new.ttl_s, 'open_s', new.answer_within_s,
    'execution', new.execution, 'call', new.call_id, 'trace', new.trace, 'v', layouts.now)
  questions.mark(id, new.call_id, true)
  redis.call('HSET', reply, 'status', 'none', 'attempts', 0, 'url', new.reply_url,
    'deadline', new.reply_deadline_ms, 'default', new.default_reply, 'v', layouts.now)
  for _, key in ipairs({event, reply}) do redis.call('EXPIRE', key, lives_s) end
  redis.call('ZADD', keys.inbox(new.server, new.hook, 'queued'), order, id)
  counters.add(1, 'events', new.server, new.hook, 'queued')
  redis.call('ZADD', keys.event_deadlines(), clock.now_ms + new.answer_within_s * 1000, id)
  signals.notify_once('events:' .. new.server)
  return order
end

-- Count an event against the rate of its hook.
function intake.count_arrival(new)
  if new.rate_count == 0 then return end
  local came = keys.arrivals(new.server, new.hook)
  redis.call('RPUSH', came, clock.now_ms)
  redis.call('LTRIM', came, -new.rate_count, -1)
  redis.call('PEXPIRE', came, new.rate_ms)
end

-- Keep the files of a request beside its event. They come as one text, and how long each is.
function intake.keep_files(new, event_id, lives_s)
  local from = 1
  for number, bytes in ipairs(new.file_sizes) do
    local file = new.all_files:sub(from, from + bytes - 1)
    redis.call('SET', keys.file(event_id, number - 1), file, 'EX', lives_s)
    from = from + bytes
  end
end

return intake

-- What a bulk act does to one of its records, in the step that also keeps what became of it.
local bulks = require 'bulks'
local claims = require 'claims'
local keys = require 'keys'
local operators = require 'operators'
local outcomes = require 'outcomes'
local records = require 'records'
local replies = require 'replies'
local bulk_acts = {}

-- Do something to a record that is left, where it is as was asked for: `done` or `changed` becomes
-- of it, which is kept. What else `run` answers is not, and the record is left. `lost`: this
-- process does not work on the bulk act any more, or not on this record.
function bulk_acts.once(act, record, run)
  local b = records.fields(keys.bulk(act.bulk_id), 'status', 'lease', 'check')
  local is_left = redis.call('ZSCORE', keys.bulk_left(act.bulk_id), act.record_id)
  if b.status ~= 'running' or b.lease ~= act.token or not is_left then return 'lost' end
  local check, found = cjson.decode(b.check), redis.call('HMGET', record, 'status', 'leased_by')
  local is_of = check.principal == '' or check.principal == found[2]
  local outcome = check.statuses[found[1]] and is_of and run(act.record_id) or 'changed'
  if outcome == 'done' or outcome == 'changed' then bulk_acts.keep(act, outcome) end
  return outcome
end

-- Keep what became of a record that is left.
function bulk_acts.keep(act, outcome)
  local left, done = keys.bulk_left(act.bulk_id), keys.bulk_done(act.bulk_id)
  if outcome == 'done' then
    redis.call('ZADD', done, redis.call('ZSCORE', left, act.record_id), act.record_id)
    redis.call('EXPIRE', done, bulks.KEPT_S)
  end
  redis.call('ZREM', left, act.record_id)
  redis.call('HINCRBY', keys.bulk(act.bulk_id), outcome, 1)
end

-- Queue a dead or expired event anew; `dead_reply` and `settled` ones are left.
-- step bulk_acts.redrive_event(act: {bulk_id, token, record_id}) -> text
function bulk_acts.redrive_event(act)
  return bulk_acts.once(act, keys.event(act.record_id), function(id)
    if redis.call('HGET', keys.reply(id), 'status') == 'dead' then return 'dead_reply' end
    return claims.redrive(id, act.bulk_id).outcome == 'redriven' and 'done' or 'settled'
  end)
end

-- Send a dead reply again; one that n8n waits for no more is `late`, and left.
-- step bulk_acts.redrive_reply(act: {bulk_id, token, record_id}) -> text
function bulk_acts.redrive_reply(act)
  return bulk_acts.once(act, keys.event(act.record_id), function(id)
    if redis.call('HGET', keys.reply(id), 'status') ~= 'dead' then return 'changed' end
    return replies.redrive(id) == 'late' and 'late' or 'done'
  end)
end

-- Take a leased event from its taker.
-- step bulk_acts.release(act: {bulk_id, token, record_id}, by) -> text
function bulk_acts.release(act, by)
  return bulk_acts.once(act, keys.event(act.record_id), function(id)
    return operators.take_back(id, by) and 'done'
  end)
end

-- End the time of an event that is not settled.
-- step bulk_acts.expire(act: {bulk_id, token, record_id}, reason) -> text
function bulk_acts.expire(act, reason)
  return bulk_acts.once(act, keys.event(act.record_id), function(id)
    return operators.expire(id, reason) and 'done'
  end)
end

-- Cancel an open call. What it leaves others may wait for.
-- step bulk_acts.cancel(act: {bulk_id, token, record_id}, failure)
--   -> {outcome, others_wait: bool}
function bulk_acts.cancel(act, failure)
  local others_wait
  local outcome = bulk_acts.once(act, keys.call(act.record_id), function(id)
    others_wait = outcomes.cancel(id, failure).others_wait
    return 'done'
  end)
  return {outcome = outcome, others_wait = others_wait}
end

-- Is an event `wanted` that is to be run again, and left?
-- step bulk_acts.begin_event(act: {bulk_id, token, record_id}) -> text
function bulk_acts.begin_event(act)
  return bulk_acts.once(act, keys.event(act.record_id), function() return 'wanted' end)
end

-- The same of a call.
-- step bulk_acts.begin_call(act: {bulk_id, token, record_id}) -> text
function bulk_acts.begin_call(act)
  return bulk_acts.once(act, keys.call(act.record_id), function() return 'wanted' end)
end

-- Keep what became of a record that is left: `done`, or `refused` and why.
-- step bulk_acts.ran(act: {bulk_id, token, record_id}, outcome, why) -> nothing
function bulk_acts.ran(act, outcome, why)
  local key = keys.bulk(act.bulk_id)
  local b = records.fields(key, 'status', 'lease', 'refused', 'refusals')
  local is_left = redis.call('ZSCORE', keys.bulk_left(act.bulk_id), act.record_id)
  if b.status ~= 'running' or b.lease ~= act.token or not is_left then return end
  bulk_acts.keep(act, outcome)
  if outcome == 'refused' and tonumber(b.refused) < bulks.REASONS then
    local line = cjson.encode({id = act.record_id, why = why}) .. '\n'
    redis.call('HSET', key, 'refusals', (b.refusals or '') .. line)
  end
end

return bulk_acts

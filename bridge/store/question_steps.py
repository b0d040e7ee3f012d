"""What ties an event to the call in whose middle n8n asks it, in Lua."""

ASKING = """
local function asks(id, call, is_open)
  if not call or call == '' or redis.call('EXISTS', call_key(call)) == 0 then return end
  if is_open then
    redis.call('ZADD', questions_key(call), redis.call('HGET', event_key(id), 'order'), id)
    redis.call('EXPIRE', questions_key(call), redis.call('TTL', call_key(call)))
  else
    redis.call('ZREM', questions_key(call), id)
  end
  redis.call('HSET', call_key(call), 'updated_at', now)
  ring('call:' .. call)
end
"""
"""`asks(id, call, is_open)` after an event was opened or closed: whoever waits for its call hears."""

ASKER = """
local function unasked()
  if call == '' then return end
  local asker = redis.call('HMGET', call_key(call), 'server', 'status')
  if asker[1] ~= server then return {'no call'} end
  if asker[2] ~= 'queued' and asker[2] ~= 'running' then return {'call ended', asker[2]} end
end
"""
"""`unasked()` gives the refusal of an event whose call is unknown to its server, or has ended."""

OPEN_QUESTIONS = """
local function questions(id)
  local status = redis.call('HGET', call_key(id), 'status')
  if status ~= 'queued' and status ~= 'running' then return {} end
  local rows = {}
  for _, open in ipairs(redis.call('ZRANGE', questions_key(id), 0, 19)) do
    if redis.call('EXISTS', event_key(open)) == 1 then
      rows[#rows + 1] = redis.call('HMGET', event_key(open), 'id', 'hook', 'status', 'body', 'media_type')
    end
  end
  return rows
end
"""
"""`questions(id)` gives the open questions of an open call, the oldest 20 of them."""

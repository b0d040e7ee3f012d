"""The atomic step by which queued events are told to people's sessions, in Lua.

When an event is told next stands in the event itself: it needs no key, and dies with it.
"""

from bridge.store.event_steps import READING
from bridge.store.scripts import Script

PUSH = Script(
    "server hooks token most first_ms longest_ms",
    READING
    + """
local told, next_ms, looked = {}, -1, 0
for _, hook in ipairs(cjson.decode(hooks)) do
  for _, id in ipairs(redis.call('ZRANGE', inbox_key(server, hook, 'queued'), 0, most - looked - 1)) do
    local e = fields(event_key(id), 'attempt', 'pushes', 'push_at', 'push_attempt', 'push_token')
    if e.attempt then
      looked = looked + 1
      local pushes = e.push_attempt == e.attempt and tonumber(e.pushes) or 0
      local due_ms = pushes == 0 and 0 or e.push_at - now
      if e.push_token == token or due_ms <= 0 then
        if e.push_token ~= token then
          due_ms = math.min(first_ms * 2 ^ pushes, longest_ms)
          redis.call('HSET', event_key(id), 'pushes', pushes + 1, 'push_attempt', e.attempt, 'push_token', token,
            'push_at', string.format('%.0f', now + due_ms))
        end
        told[#told + 1] = read(id)
      end
      if next_ms < 0 or due_ms < next_ms then next_ms = due_ms end
    end
  end
  if looked >= tonumber(most) then break end
end
return {string.format('%.0f', next_ms), told}
""",
)

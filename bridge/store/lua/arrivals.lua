-- Events in the order they came, whatever has become of them since, read on from any place.
local clock = require 'clock'
local events = require 'events'
local keys = require 'keys'
local arrivals = {}

-- After so long without an event a place is moved on all the same.
arrivals.STILL_US = 60000000

-- Read what came behind a place, which is an order number; without one, only where all that has
-- come ends. While nothing comes the place is moved on now and then, by taking a number that no
-- event gets, so that a reader's place does not grow older than what is kept.
-- step arrivals.after(server, hook, place, limit, kept_ms: number, statuses: json)
--   -> {last, is_cut, rows: [events.row], start}
function arrivals.after(server, hook, place, limit, kept_ms, statuses)
  local last = clock.last_order
  if clock.now_us - last > arrivals.STILL_US then last = tonumber(clock.next_order()) end
  if place == '' then
    return {last = clock.digits(last), is_cut = false, rows = {}, start = clock.digits(last)}
  end
  local oldest = clock.now_us - kept_ms * 1000
  local is_cut = tonumber(place) < oldest
  local start = clock.digits(is_cut and oldest or place)
  local rows = {}
  for _, status in ipairs(statuses) do
    local inbox = keys.inbox(server, hook, status)
    local found = redis.call('ZRANGEBYSCORE', inbox, '(' .. start, '+inf', 'LIMIT', 0, limit)
    for _, event_id in ipairs(found) do
      rows[#rows + 1] = events.read(event_id) or nil
    end
  end
  return {last = clock.digits(math.max(last, start)), is_cut = is_cut, rows = rows, start = start}
end

return arrivals

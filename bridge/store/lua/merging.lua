-- Several indexes by order number, read together as one: newest first, as far as it is asked for.
local clock = require 'clock'
local merging = {}

-- An index, or the part of it that is older than `before`, down to `since`.
function merging.source(index, before, since)
  return {index = index, before = before, since = since, size = 1, found = {}, at = 1}
end

-- How many members some sources have together.
function merging.size(sources)
  local size = 0
  for _, source in ipairs(sources) do
    size = size + redis.call('ZCOUNT', source.index, source.since, '(' .. source.before)
  end
  return size
end

-- Read the next page of an index, twice as long as the one before: what is read again and again
-- holds most of what there is. `floor` is how far down all of it is known.
function merging.read_on(source)
  source.size = 2 * source.size
  local new, page = {}, redis.call('ZREVRANGEBYSCORE', source.index, '(' .. source.before,
    source.since, 'WITHSCORES', 'LIMIT', 0, source.size)
  for i = 1, #page, 2 do new[#new + 1] = {id = page[i], order = page[i + 1] + 0, of = source} end
  source.found, source.at, source.before = new, 1, page[#page]
  source.floor = #new == source.size and new[#new].order or -1
end

-- Take what is known of some indexes down to the highest of their floors, newest first; nothing
-- where no more is left.
function merging.known(sources)
  local floor, known = -1, {}
  for _, source in ipairs(sources) do
    if not source.found[source.at] and source.floor ~= -1 then merging.read_on(source) end
    floor = math.max(floor, source.floor)
  end
  for _, source in ipairs(sources) do
    while source.found[source.at] and source.found[source.at].order >= floor do
      known[#known + 1], source.at = source.found[source.at], source.at + 1
    end
  end
  table.sort(known, function(one, other) return one.order > other.order end)
  return known
end

-- Look at the members of some sources together, newest first, each with its order number and its
-- source, until `look` says that it is enough or so many were looked at. Returns the order number
-- to look on from, if any may be left.
function merging.each(sources, look_at, look)
  local looked = 0
  repeat
    local known = merging.known(sources)
    for _, one in ipairs(known) do
      looked = looked + 1
      if look(one.id, one) or looked == look_at then return clock.digits(one.order) end
    end
  until #known == 0
end

return merging

-- Hashes, read by the names of their fields.
local records = {}

-- The fields of a hash by their names; what it lacks is nil.
function records.fields(key, ...)
  local found, named = redis.call('HMGET', key, ...), {}
  for i, name in ipairs({...}) do named[name] = found[i] or nil end
  return named
end

-- The fields that two lists name, likewise.
function records.of_lists(key, first, second)
  local names = {unpack(first)}
  for _, name in ipairs(second) do names[#names + 1] = name end
  return records.fields(key, unpack(names))
end

return records

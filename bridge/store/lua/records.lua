-- Hashes, read by the names of their fields.
local records = {}

-- The fields of a hash by their names; what it lacks is nil.
function records.fields(key, ...)
  local found, named = redis.call('HMGET', key, ...), {}
  for i, name in ipairs({...}) do named[name] = found[i] or nil end
  return named
end

return records

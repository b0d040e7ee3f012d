-- Pauses: the places in which operators let nothing begin, `server` or `server/part` each.
--
-- All of them are one text, which every step reads with the layout of the store: nearly always
-- nothing is paused, and to know that costs no command.
local clock = require 'clock'
local keys = require 'keys'
local layouts = require 'layouts'
local pauses = {}

-- Since when each place is paused, in milliseconds since 1970.
pauses.at = layouts.kept[3] and cjson.decode(layouts.kept[3]).at or {}

-- Since when a hook or a workflow is paused, itself or with its server; nil where it is not.
function pauses.since(server, part) return pauses.at[server] or pauses.at[server .. '/' .. part] end

-- Who has paused each place.
pauses.by = layouts.kept[3] and cjson.decode(layouts.kept[3]).by or {}

-- Pause a place; one that is paused stays so as it is. Return who has, and since when.
function pauses.begin(place, by)
  pauses.at[place] = pauses.at[place] or clock.now_ms
  pauses.by[place] = pauses.by[place] or by
  redis.call('SET', keys.paused(), cjson.encode({at = pauses.at, by = pauses.by}))
  return {by = pauses.by[place], at = pauses.at[place]}
end

-- Lift the pause of a place. Was there one?
function pauses.lift(place)
  if not pauses.at[place] then return false end
  pauses.at[place], pauses.by[place] = nil, nil
  if next(pauses.at) then
    redis.call('SET', keys.paused(), cjson.encode({at = pauses.at, by = pauses.by}))
  else
    redis.call('DEL', keys.paused())
  end
  return true
end

-- Read all pauses, as JSON: {at, by}, each by place.
-- step pauses.read() -> text?
function pauses.read() return layouts.kept[3] end

return pauses

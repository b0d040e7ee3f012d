-- What tells one store from another, and from itself before it lost something.
local clock = require 'clock'
local keys = require 'keys'
local layouts = require 'layouts'
local identity = {}

-- Read the name of the store, and the last order number that was given; it is named once,
-- and laid out as it is from then on.
-- step identity.read(fresh) -> {name, order?}
function identity.read(fresh)
  redis.call('SETNX', keys.identity(), fresh .. ' ' .. clock.digits(clock.now_ms))
  redis.call('SETNX', keys.layout(), layouts.now)
  return {name = redis.call('GET', keys.identity()), order = redis.call('GET', keys.order())}
end

return identity

"""What tells one store from another, and from itself before it lost something."""

from dataclasses import dataclass

from bridge.store.scripts import Script
from bridge.store.steps import Steps

IDENTIFY = Script(
    "fresh",
    """
if redis.call('EXISTS', identity_key()) == 0 then
  redis.call('SET', identity_key(), fresh .. ' ' .. string.format('%.0f', now))
end
redis.call('SET', layout_key(), layout, 'NX')
return {redis.call('GET', identity_key()), redis.call('GET', order_key()) or '0'}
""",
)


@dataclass(frozen=True)
class Identity:
    """Which store this is, and the last order number that it gave: it only ever grows."""

    name: str
    order: int


class IdentityStore:
    """Speaks Redis for its identity."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def read(self, fresh: str) -> Identity:
        """Read which store this is; one that has no name yet is named `fresh`."""
        name, order = await self._steps.run(IDENTIFY, fresh=fresh)
        return Identity(name.decode(), int(order))

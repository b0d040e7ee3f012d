"""Totals on record: counted in the very steps that change things, so they are exact and survive."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from bridge.store.breakers import is_open
from bridge.store.scripts import Script
from bridge.store.steps import Steps

OPENED = "reply_circuits_opened"
"""The name of the total of an origin's failures."""

READ = Script(
    "hooks",
    """
local inboxes = {}
for _, at in ipairs(cjson.decode(hooks)) do
  for _, status in ipairs({'queued', 'delayed', 'leased', 'dead'}) do
    inboxes[#inboxes + 1] = {at[1], at[2], status, redis.call('ZCARD', inbox_key(at[1], at[2], status))}
  end
end
return {redis.call('HGETALL', counters_key()), inboxes,
  redis.call('ZCARD', due_calls_key()), redis.call('ZCARD', due_replies_key()),
  redis.call('ZCOUNT', processes_key(), now - 6000, '+inf'), redis.call('HGETALL', breakers_key()),
  redis.call('GET', identity_key()) or ''}
""",
)


@dataclass(frozen=True)
class Totals:
    """What was counted since the store was made, by (name, labels…), and what is there right now."""

    counted: dict[tuple[str, ...], float]
    inboxes: dict[tuple[str, str, str], int]
    due_calls: int
    due_replies: int
    live_processes: int
    circuits: dict[str, bool]
    """Of each failing origin, whether replies to it rest."""
    made_at_s: float = 0
    """When the store was made, or was found to be another than before."""

    def with_zeros(self, known: Iterable[tuple[str, ...]]) -> "Totals":
        """Add a zero for each of these totals that was never counted, and a calm origin for each."""
        known = tuple(known)
        calm = dict.fromkeys((each[1] for each in known if each[0] == OPENED), False)
        return replace(
            self,
            counted=dict.fromkeys(known, 0.0) | self.counted,
            circuits=calm | self.circuits,
        )


class Counters:
    """Speaks Redis for totals."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def read(self, hooks: Iterable[tuple[str, str]]) -> Totals:
        """Read every total, and the size of the inbox of each (server, hook)."""
        flat, inboxes, calls, replies, processes, breakers, identity = await self._steps.run(
            READ, hooks=json.dumps(list(hooks))
        )
        fields = [field.decode() for field in flat]
        return Totals(
            counted={
                tuple(name.split("|")): float(total)
                for name, total in zip(fields[::2], fields[1::2], strict=True)
            },
            inboxes={
                (server.decode(), hook.decode(), status.decode()): size
                for server, hook, status, size in inboxes
            },
            due_calls=calls,
            due_replies=replies,
            live_processes=processes,
            circuits={
                origin.decode(): is_open(circuit)
                for origin, circuit in zip(breakers[::2], breakers[1::2], strict=True)
            },
            made_at_s=int(identity.rpartition(b" ")[2] or 0) / 1000,
        )

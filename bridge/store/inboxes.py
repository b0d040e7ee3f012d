"""How inboxes and lists stand, so that a client is told of a change once, by any process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bridge.store.steps import Steps, step

LISTS_TTL_S = 30 * 24 * 3600
CHANGED_WITHIN_S = 600.0
"""For how long a list that changed is told to whoever opens a stream: they come back within it."""


@dataclass(frozen=True)
class SubscribedInboxes:
    """What a session wants to hear of, and what of that is news to it.

    `inboxes` gives, by hook, how its inbox stands; `news` names those that stood otherwise when the
    session was last told. `shown` gives the digests of the lists that it was shown.
    """

    inboxes: dict[str, str]
    news: tuple[str, ...]
    shown: dict[str, str]


class HeardRow(NamedTuple):
    """An inbox that a session wants to hear of: how it stood when told last, and how it stands."""

    hook: str
    told: str
    stands: str


class ShownRow(NamedTuple):
    """A list that a session was shown, by its digest."""

    name: str
    digest: str


class LookRow(NamedTuple):
    """What a session wants to hear of."""

    inboxes: list[HeardRow]
    lists: list[ShownRow]


@step("inboxes.stands")
async def _stands(steps: Steps, *, server: str, hooks: Sequence[str]) -> list[str]:
    """Read how the queues of some hooks stand."""


@step("inboxes.hear")
async def _hear(steps: Steps, *, session_id: str, server: str, hook: str) -> None:
    """Record that a session wants to hear of an inbox."""


@step("inboxes.hear_no_more")
async def _hear_no_more(steps: Steps, *, session_id: str, hook: str) -> None:
    """Record that a session has heard enough of an inbox."""


@step("inboxes.look")
async def _look(steps: Steps, *, session_id: str, server: str) -> LookRow | None:
    """Read what a session wants to hear of."""


@step("inboxes.told")
async def _told(
    steps: Steps, *, session_id: str, stands: Mapping[str, str], lists: Mapping[str, str]
) -> None:
    """Record what a session has been told of."""


@step("inboxes.changed_lists")
async def _changed_lists(
    steps: Steps, *, server: str, lists: Mapping[str, str], within_ms: int, ttl_s: int
) -> list[str]:
    """Name the lists that became what they are of late."""


class InboxStore:
    """Speaks Redis for how inboxes and lists stand."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def stands(self, server: str, hooks: Sequence[str]) -> dict[str, str]:
        """Report how the queue of each hook stands: two are equal while nothing came or went."""
        stands = await _stands(self._steps, server=server, hooks=hooks)
        return dict(zip(hooks, stands, strict=True))

    async def hear(self, session_id: str, server: str, hook: str) -> None:
        """Record that a session wants to hear of an inbox from now on."""
        await _hear(self._steps, session_id=session_id, server=server, hook=hook)

    async def hear_no_more(self, session_id: str, hook: str) -> None:
        """Record that a session has heard enough of an inbox."""
        await _hear_no_more(self._steps, session_id=session_id, hook=hook)

    async def look(self, session_id: str, server: str) -> SubscribedInboxes | None:
        """Read what a session wants to hear of; None once it has ended."""
        found = await _look(self._steps, session_id=session_id, server=server)
        if found is None:
            return None
        return SubscribedInboxes(
            inboxes={row.hook: row.stands for row in found.inboxes},
            news=tuple(sorted(row.hook for row in found.inboxes if row.told != row.stands)),
            shown={row.name: row.digest for row in found.lists},
        )

    async def told(
        self, session_id: str, inboxes: Mapping[str, str], lists: Mapping[str, str]
    ) -> None:
        """Record what a session has been told of, by how it stood then."""
        await _told(self._steps, session_id=session_id, stands=inboxes, lists=lists)

    async def changed_lists(self, server: str, lists: Mapping[str, str]) -> list[str]:
        """Name the lists that became what they are, by their digests, within CHANGED_WITHIN_S."""
        names = await _changed_lists(
            self._steps,
            server=server,
            lists=lists,
            within_ms=round(CHANGED_WITHIN_S * 1000),
            ttl_s=LISTS_TTL_S,
        )
        return sorted(names)

"""Events that wait on hooks which no server file has: nobody can take them, so people are told."""

import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from bridge.configuration.servers import Server
from bridge.errors import TransientError
from bridge.store.counters import Counters
from bridge.store.operators import OperatorStore

logger = logging.getLogger(__name__)

HOW_TO_MEND = (
    "no server file has this hook, so nobody can take its events before they expire: give a hook "
    "that name again, or see them with `n8n-bridge events ls --server SERVER --hook HOOK`"
)


@dataclass(frozen=True)
class Stranded:
    """How many events wait on a hook that there is no more."""

    server: str
    hook: str
    queued: int


async def stranded(
    store: OperatorStore, counters: Counters, servers: Mapping[str, Server]
) -> list[Stranded]:
    """Return the hooks that events wait on and that no server file has."""
    known = {(server.name, hook) for server in servers.values() for hook in server.hooks}
    gone = [hook for hook in await store.hooks() if hook not in known]
    inboxes = (await counters.read(gone)).inboxes
    waiting = (
        Stranded(*hook, inboxes[*hook, "queued"] + inboxes[*hook, "delayed"]) for hook in gone
    )
    return [each for each in waiting if each.queued]


async def warn_of_stranded(
    store: OperatorStore, counters: Counters, servers: Mapping[str, Server]
) -> None:
    """Say in the log which events wait on hooks that no server file has."""
    with contextlib.suppress(TransientError):
        for each in await stranded(store, counters, servers):
            logger.warning(
                "events.stranded",
                extra={
                    "server": each.server,
                    "hook": each.hook,
                    "queued": each.queued,
                    "warning": HOW_TO_MEND,
                },
            )

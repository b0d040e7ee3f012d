"""What is wrong with what the bridge stands on, as `doctor` finds it: looked at now and then."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Self

from bridge.configuration.load import unguarded
from bridge.configuration.servers import Server
from bridge.configuration.settings import Settings
from bridge.diagnosis.checks import seen_by
from bridge.diagnosis.n8n import check_n8n, check_n8n_key
from bridge.diagnosis.observations import Level, Observation
from bridge.diagnosis.redis_store import check_redis
from bridge.diagnosis.tokens import of_tokens
from bridge.store.findings import FindingStore
from bridge.store.steps import Steps
from bridge.store.tokens import TokenStore

ENDS_AFTER_S = 15.0
WRONG = (Level.ERROR, Level.WARNING)


@dataclass(frozen=True)
class LastFindings:
    """What was found wrong at the last look, `age_s` ago; None where nobody has looked of late.

    `is_due` says that it is for the asker to look again.
    """

    wrong: tuple[Observation, ...]
    age_s: float | None
    is_due: bool


class Findings:
    """Has one process at a time look at Redis, n8n and the tokens, and remembers what it saw."""

    def __init__(
        self,
        store: FindingStore,
        tokens: TokenStore,
        settings: Settings,
        servers: Mapping[str, Server],
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._settings = settings
        self._servers = servers

    @classmethod
    def of(cls, steps: Steps, settings: Settings, servers: Mapping[str, Server]) -> Self:
        """Return what a process looks by."""
        return cls(FindingStore(steps), TokenStore(steps), settings, servers)

    async def last(self) -> LastFindings:
        """Return what was found at the last look, errors first."""
        row = await self._store.read()
        found = [_observation(one) for one in json.loads(row.found or b"[]")]
        found.sort(key=lambda each: WRONG.index(each.severity))
        age_s = None if row.age_ms is None else row.age_ms / 1000
        return LastFindings(tuple(found), age_s, row.is_due)

    async def look(self) -> None:
        """Look at everything, and keep what is wrong with it."""
        servers = self._servers.values()
        checks = {
            "redis": check_redis(self._settings.redis_url or "", self._settings),
            "n8n": check_n8n(self._settings),
            "n8n API": check_n8n_key(self._settings, servers),
        }
        async with asyncio.TaskGroup() as group:  # which ends with the last of them, also cut short
            looks = [
                group.create_task(seen_by(check, name, ENDS_AFTER_S))
                for name, check in checks.items()
            ]
        seen = [each for look in looks for each in look.result()]
        seen += await self._of_tokens(servers)
        wrong = [asdict(each) for each in seen if each.severity in WRONG]
        await self._store.keep(json.dumps(wrong).encode())

    async def _of_tokens(self, servers: Iterable[Server]) -> list[Observation]:
        return [
            of_tokens(name, is_guarded=await self._tokens.is_guarded(name))
            for name, _ in unguarded(self._settings, servers)
        ]


def _observation(one: Mapping[str, str]) -> Observation:
    severity = Level(one["severity"])
    return Observation(one["id"], severity, one["subject"], one["sentence"], one["remedy"])

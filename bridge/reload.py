"""Files that are read anew while the process runs: all of them, in one step, or none."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

from bridge.configuration.current import CurrentAlerts, Servers
from bridge.configuration.load import ReadAnew, read_anew
from bridge.configuration.server_options import ApproveWhen
from bridge.configuration.servers import Server
from bridge.configuration.settings import Settings
from bridge.ending import end
from bridge.errors import ConfigurationError, TransientError
from bridge.local.hangups import Hangups
from bridge.runtime import Runtime

logger = logging.getLogger(__name__)

Step = Callable[[], None]
Prepare = Callable[[Mapping[str, Server]], Step]
"""Makes, beside the loop, what a process serves of servers; returns the step that puts it there.

Raises:
    ConfigurationError: this process cannot serve them.
"""


def prepare_nothing(_servers: Mapping[str, Server]) -> Step:
    """Return no step, for a process that makes nothing of its servers."""
    return lambda: None


@dataclass(frozen=True)
class Reloader:
    """Replaces the servers and alerts of a process by what their files hold now, at each SIGHUP.

    With `changes` also at each of these. One that `keeps_going` replaces those that are sound.
    """

    environ: Mapping[str, str]
    settings: Settings
    servers: Servers
    hangups: Hangups
    changes: AsyncIterator[None] | None = None
    keeps_going: bool = False
    alerts: CurrentAlerts = field(default_factory=CurrentAlerts)

    @contextlib.asynccontextmanager
    async def running(
        self, runtime: Runtime, prepare: Prepare = prepare_nothing
    ) -> AsyncIterator[None]:
        """Reload when asked to while the block lasts."""

        async def reload() -> None:
            await self.reload(runtime, prepare)

        tasks = [asyncio.create_task(self.hangups.serve(reload))]
        if self.changes is not None:
            tasks.append(asyncio.create_task(self._ask_at_each(self.changes)))
        try:
            yield
        finally:
            await end(*tasks)

    async def _ask_at_each(self, changes: AsyncIterator[None]) -> None:
        async for _ in changes:
            self.hangups.ask()

    async def reload(self, runtime: Runtime, prepare: Prepare = prepare_nothing) -> None:
        """Read the files; serve what they hold, or, where anything is wrong, what is served now."""
        try:
            await self._replace(runtime, prepare)
        except ConfigurationError as error:
            for fault in error.faults:
                logger.error("server_files.kept", extra={"fault": fault})  # noqa: TRY400 - no bug
        except TransientError as error:
            logger.error("server_files.kept", extra={"fault": str(error)})  # noqa: TRY400 - no bug
        except Exception:
            logger.exception("server_files.kept")

    async def _replace(self, runtime: Runtime, prepare: Prepare) -> None:
        before = self.servers.now
        last = ReadAnew(dict(before), self.alerts.now) if self.keeps_going else None
        found = await asyncio.to_thread(read_anew, self.environ, self.settings, last)
        servers = self.servers.merged(found.servers)
        await runtime.mcp.authenticator.tokens.demand_guards(servers)
        schemas = runtime.mcp.schemas
        compiled = await asyncio.to_thread(schemas.compiled, _schemas_of(servers))
        take_step = await asyncio.to_thread(prepare, servers)
        # From here on nothing is waited for: what is asked meets all of the old or all of the new.
        self.servers.replace(servers)
        self.alerts.now = found.alerts
        schemas.replace(compiled)
        take_step()
        logger.info("server_files.reloaded", extra=_difference(before, servers))


def _schemas_of(servers: Mapping[str, Server]) -> list[Mapping[str, object]]:
    """Return what values are checked against that come in and go out."""
    named = [
        schema
        for server in servers.values()
        for schema in (
            *(each.payload for each in server.hooks.values()),
            *(each.reply for each in server.hooks.values()),
            *(each.input for each in server.workflows.values()),
            *(each.output for each in server.workflows.values()),
            *(
                each.approve.when
                for each in server.workflows.values()
                if isinstance(each.approve, ApproveWhen)
            ),
        )
    ]
    return [schema for schema in named if schema is not None]


def _difference(before: Mapping[str, Server], now: Mapping[str, Server]) -> dict[str, list[str]]:
    stayed = before.keys() & now.keys()
    return {
        "added": sorted(now.keys() - before.keys()),
        "changed": sorted(name for name in stayed if before[name] is not now[name]),
        "removed": sorted(before.keys() - now.keys()),
    }

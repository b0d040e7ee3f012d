"""The names that records have, of servers, their parts and principals: in files or on record."""

from collections.abc import Awaitable, Callable, Collection, Mapping

from bridge.configuration.servers import Server
from bridge.errors import NotFoundError
from bridge.models import Principal
from bridge.store.operators import OperatorStore
from bridge.verbs.record_search import RecordKind, RecordSearch

NAMED_MAX = 20
"""So many names an error lists of those there are."""

IsOnRecord = Callable[[RecordSearch], Awaitable[bool]]


class RecordNames:
    """Tells a search that finds nothing from one for what there is not."""

    def __init__(self, store: OperatorStore, servers: Mapping[str, Server]) -> None:
        self._store = store
        self._servers = servers

    async def demand(
        self, kind: RecordKind, wanted: RecordSearch, is_on_record: IsOnRecord
    ) -> None:
        """Refuse names that neither a server file nor a record has.

        Raises:
            NotFoundError: naming those there are.
        """
        if wanted.bulk and await self._store.bulks.read(wanted.bulk) is None:
            raise NotFoundError(
                f"there is no bulk act {wanted.bulk}, or no more: they are kept 7 days"
            )
        known = await self._known(kind)
        servers = {server for server, _ in known}
        if wanted.server not in {None, *servers}:
            raise _unknown("server", wanted.server, servers)
        parts = {part for server, part in known if part and wanted.server in (None, server)}
        one = RecordSearch(server=wanted.server, part=wanted.part)
        if wanted.part not in {None, *parts} and not await is_on_record(one):
            raise _unknown(kind.part, wanted.part, parts)
        names = await self._holders(wanted.server)
        if wanted.principal in {None, *names}:
            return
        names |= await self._callers(wanted.server)
        one = RecordSearch(server=wanted.server, principal=wanted.principal)
        if wanted.principal not in names and not await is_on_record(one):
            raise _unknown("principal", wanted.principal, names)

    async def _known(self, kind: RecordKind) -> set[tuple[str, str]]:
        """Return each (server, hook or workflow) there is; a server has one without a name too."""
        is_of_calls = kind is RecordKind.CALLS
        hooks, workflows = await self._store.hooks(), await self._store.workflows()
        servers = {server for server, _ in (*hooks, *workflows)} | set(self._servers)
        servers |= set(await self._store.call_servers())
        in_files = {
            (name, part)
            for name, server in self._servers.items()
            for part in (server.workflows if is_of_calls else server.hooks)
        }
        return (
            {(server, "") for server in servers}
            | in_files
            | set(workflows if is_of_calls else hooks)
        )

    async def _holders(self, server: str | None) -> set[str]:
        """Return the names of all tokens."""
        in_files = (
            Principal(name, token.name)
            for name, each in self._servers.items()
            for token in each.tokens
        )
        made = (token.principal for token in await self._store.tokens.list())
        return {each.name for each in (*in_files, *made) if server in (None, each.server)}

    async def _callers(self, server: str | None) -> set[str]:
        """Return the names of all who have calls on record, of whom there may be ten thousand."""
        callers = await self._store.callers()
        return {each.name for each in callers if server in (None, each.server)}


def _unknown(what: str, name: str | None, known: Collection[str]) -> NotFoundError:
    there = ", ".join(sorted(known)[:NAMED_MAX]) or "none"
    more = f" and {len(known) - NAMED_MAX:,} more" if len(known) > NAMED_MAX else ""
    return NotFoundError(f"there is no {what} {name}; there are: {there}{more}")

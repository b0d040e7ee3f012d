"""How things stand at this moment, in one look: what waits, runs, is paused, and what is wrong."""

from collections import Counter
from collections.abc import Mapping

from bridge.configuration.servers import Server
from bridge.models import EventStatus, instant
from bridge.store.counters import Counters, Totals
from bridge.verbs.approvals import Approvals
from bridge.verbs.record_search import RecordKind
from bridge.verbs.troubles import StoreTrouble, Troubles

UNAPPROVED_MAX = 20


class Overview:
    """Reads how things stand, for operators who ask for all of it at once."""

    def __init__(
        self,
        counters: Counters,
        troubles: Troubles,
        approvals: Approvals,
        servers: Mapping[str, Server],
    ) -> None:
        self._counters = counters
        self._troubles = troubles
        self._approvals = approvals
        self._servers = servers

    async def now(self) -> dict[str, object]:
        """Return numbers by what they count, what is paused, and what is wrong with its remedy."""
        servers = self._servers.values()
        hooks = [(server.name, hook) for server in servers for hook in server.hooks]
        tools = [(server.name, tool) for server in servers for tool in server.workflows]
        totals = await self._counters.read(hooks, tools)
        kinds = Counter(name.partition("-")[0] for name in totals.live_processes)
        paused = [
            {"place": each.place, "since": instant(each.at_ms, "seconds"), "by": each.by}
            for each in totals.paused
        ]
        return {
            "events": _events(totals),
            "calls": {
                "running": sum(running for running, _ in totals.calls.values()),
                "waiting": totals.due_calls + sum(turn for _, turn in totals.calls.values()),
                "to_approve": totals.unapproved,
            },
            "to_approve": await self._unapproved(),
            "replies": {"due": totals.due_replies, "dead": totals.dead_replies},
            "oldest_queued_s": round(max(totals.oldest_s.values(), default=0)),
            "sessions": totals.sessions,
            "processes": dict(kinds),
            "servers": sorted(self._servers),
            "paused": paused,
            "wrong": [_told(each) for each in await self._troubles.of(totals)],
        }

    async def to_approve(self) -> int:
        """Count the calls that wait until somebody approves of them."""
        return (await self._counters.read([], [])).unapproved

    async def _unapproved(self) -> list[dict[str, str]]:
        return [
            {
                "call_id": call.call_id,
                "server": call.principal.server,
                "principal": call.principal.name,
                "workflow": call.workflow,
                "expires_at": instant(call.unapproved.ends_at_ms, "seconds"),
            }
            for call in (await self._approvals.waiting())[:UNAPPROVED_MAX]
            if call.unapproved
        ]


def _events(totals: Totals) -> dict[str, int]:
    counts = Counter[str]()
    for (_, _, status), size in totals.inboxes.items():
        counts[status] += size
    queued = counts[EventStatus.QUEUED] + counts["delayed"]
    return {"queued": queued, "leased": counts["leased"], "dead": counts["dead"]}


def _told(trouble: StoreTrouble) -> dict[str, object]:
    """Return what is wrong, and by which arguments list_records shows more of it."""
    told = {"what": trouble.sentence, "remedy": trouble.remedy}
    is_listed = trouble.records in tuple(RecordKind)
    return told | ({"see": {"records": trouble.records, **trouble.filter}} if is_listed else {})

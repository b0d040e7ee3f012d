"""A bridge of two versions: one store, one n8n, the same servers and settings for both."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from os import fsdecode
from pathlib import Path

from redis.asyncio import Redis

from bridge.local.ports import free_port
from tests.bridge_processes import Bridge, running_bridge
from tests.doors.receiver import Receiver, receiving
from tests.raw_server import RawServer, raw_server
from tests.tls import CERTIFICATE
from tests.upgrade.desk import Desk
from tests.upgrade.gate import gated
from tests.upgrade.scenario import Stage
from tests.upgrade.scenarios import calls, credentials, events, streams
from tests.upgrade.server_file import SECRETS, write_servers

SCENARIOS = (*events.SCENARIOS, *calls.SCENARIOS, *streams.SCENARIOS, *credentials.SCENARIOS)
QUEUE, FAILED_JOBS = "rq:queue:bridge", "rq:failed:bridge"
"""RQ's names for what both versions share: a wake-up elsewhere is one that the sweeper repairs."""


@dataclass(frozen=True)
class Setting:
    """What stands before any process of the bridge does."""

    bridge: Bridge
    gate: asyncio.Event
    receiver: Receiver
    other_n8n: RawServer

    def between(self, before: Desk, after: Desk) -> Stage:
        """Return the stage for scenarios that begin at one desk and end at the other."""
        return Stage(before, after, self.gate, self.receiver, self.other_n8n)

    def desk(self, web: int, server: str) -> Desk:
        """Return a server at a web process."""
        child = self.bridge.webs[web]
        return Desk(self.bridge, self.bridge.http, child.url, server, child.tree)

    async def faults(self) -> list[str]:
        """Name what went wrong that no client can see: jobs that nobody ran, errors in logs."""
        async with Redis.from_url(self.bridge.valkey.url) as redis:
            failed = await redis.zcard(FAILED_JOBS)
            queues = {fsdecode(name) for name in await redis.smembers("rq:queues")}
        lines = [
            f"{log.stem}: {line}"
            for log in sorted(self.bridge.folder.glob("*.log"))
            for line in log.read_text().splitlines()
            if is_fault(line)
        ]
        return [
            *([f"{failed} jobs failed"] * bool(failed)),
            *(f"jobs went to {queue}" for queue in sorted(queues - {QUEUE})),
            *lines,
        ]


def is_fault(line: str) -> bool:
    """Report whether a line of a log tells of an error, or is no line of ours."""
    try:
        return bool(json.loads(line)["level"] == "error")
    except (ValueError, KeyError):
        return True


@contextlib.asynccontextmanager
async def setting(folder: Path, trees: Sequence[Path]) -> AsyncIterator[Setting]:
    """Set the stage for processes that run `trees` in turn; none runs yet."""
    data = folder / "data"
    data.mkdir()
    async with (
        gated() as gate,
        receiving(folder, "localhost") as receiver,
        raw_server() as other_n8n,
    ):
        receiver.gate = other_n8n.gate = gate
        port = str(free_port())
        given = SECRETS | {
            "BRIDGE_PORT": port,
            "BRIDGE_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "BRIDGE_OAUTH": "built-in",
            "BRIDGE_KEEPALIVE_S": "1",
            "BRIDGE_DATA_DIR": str(data),
            "BRIDGE_EVENT_WEBHOOK_ORIGINS": receiver.url.partition("/hooks")[0],
            "BRIDGE_REPLY_ORIGINS": other_n8n.url,
            "SSL_CERT_FILE": str(folder / CERTIFICATE),
        }
        async with running_bridge(folder, webs=0, workers=0, **given) as bridge:
            bridge.trees = trees
            write_servers(folder / "servers", bridge.n8n_url)
            yield Setting(bridge, gate, receiver, other_n8n)

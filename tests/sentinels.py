"""A primary, its replicas and their Sentinels: real servers, to be killed, frozen and cut off.

Everything about where a server runs is a parameter: its address, its port, and what its command
begins with, such as `ip netns exec HOST`.
"""

import asyncio
import contextlib
import secrets
import signal
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from bridge.local.die_with_parent import tied_to_parent
from bridge.local.ports import free_port
from bridge.local.valkey import ALLOCATOR, DURABLE, find_server, quoted
from tests.waiting import wait_until

NAME = "bridge"
"""What the Sentinels call the primary."""

DOWN_AFTER_MS = 1000
FAILOVER_TIMEOUT_MS = 5000
ANSWER_S = 2.0
READY_S = 20.0
SETTLED_S = 60.0

HASTE_MS = {"INFO-PERIOD": 500, "PING-PERIOD": 200, "PUBLISH-PERIOD": 300}
"""How often Sentinels look, in place of every 10, 1 and 2 s: a failover settles within seconds."""

AT_ONCE = """\
repl-diskless-sync-delay 0
repl-ping-replica-period 1
repl-timeout 5
"""
"""A replica that comes back is in step within a second or two."""


@dataclass(frozen=True)
class Place:
    """Where a server runs; port 0 is a free one of loopback."""

    address: str = "127.0.0.1"
    port: int = 0
    prefix: tuple[str, ...] = ()


@dataclass
class Server:
    """One server program, kept in a folder with its configuration, which it may rewrite."""

    name: str
    place: Place
    folder: Path
    password: str
    arguments: tuple[str, ...] = ()
    _process: asyncio.subprocess.Process | None = field(default=None, repr=False)

    @property
    def address(self) -> tuple[str, int]:
        """Its address and port."""
        return self.place.address, self.place.port

    @property
    def url(self) -> str:
        """Its own address, whatever its role is now."""
        return f"redis://:{self.password}@{self.place.address}:{self.place.port}/0"

    @property
    def is_running(self) -> bool:
        """Report whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    @property
    def log(self) -> str:
        """All that it has logged."""
        return self._log.read_text(errors="replace")

    @property
    def _log(self) -> Path:
        return self.folder / "server.log"

    def configure(self, *lines: str) -> None:
        """Write the configuration with which it starts."""
        self.folder.mkdir(parents=True, exist_ok=True)
        head = [f"dir {quoted(self.folder)}", f"bind {self.place.address}"]
        head += [f"port {self.place.port}", f"requirepass {self.password}"]
        (self.folder / "server.conf").write_text("\n".join([*head, *lines, ""]))

    async def start(self) -> None:
        """Start it, or start it again as it ended, and wait until it answers."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *tied_to_parent(
                    *self.place.prefix,
                    find_server(),
                    str(self.folder / "server.conf"),
                    *self.arguments,
                ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                env=ALLOCATOR,
            )
        await wait_until(self._answers, f"{self.name} answers", READY_S)

    def freeze(self) -> None:
        """Stop it where it stands; its connections stay open."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on, with no idea of what has happened meanwhile."""
        self._send(signal.SIGCONT)

    async def kill(self) -> None:
        """End it by SIGKILL."""
        if self._process is not None and self.is_running:
            self._process.kill()
            await self._process.wait()

    async def ask(self, *command: str | int) -> Any:
        """Return its answer to a command.

        Raises:
            RedisError: its refusal, or it does not answer.
        """
        async with Redis.from_url(
            self.url,
            socket_timeout=ANSWER_S,
            socket_connect_timeout=ANSWER_S,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
        ) as client:
            return await client.execute_command(*command)  # type: ignore[no-untyped-call]

    def _send(self, number: signal.Signals) -> None:
        assert self._process is not None
        assert self.is_running
        self._process.send_signal(number)

    async def _answers(self) -> bool:
        assert self.is_running, f"{self.name} ended: {self.log[-1000:]}"
        try:
            return bool(await self.ask("PING"))
        except RedisError:
            return False


@dataclass
class Replicated:
    """A primary with its replicas, and the Sentinels that watch them; `url` names them all."""

    servers: list[Server]
    sentinels: list[Server]
    password: str
    sentinel_password: str

    @property
    def url(self) -> str:
        """The address as `BRIDGE_REDIS_URL` takes it."""
        hosts = ",".join(f"{host}:{port}" for host, port in (s.address for s in self.sentinels))
        own = f"?sentinel_password={self.sentinel_password}"
        return f"redis+sentinel://:{self.password}@{hosts}/{NAME}/0{own}"

    async def primary(self) -> Server:
        """Return the server that most Sentinels name; without any, the one that was it first."""
        if not self.sentinels:
            return self.servers[0]
        (address, _), *_ = Counter(await self._named()).most_common(1)
        return next(server for server in self.servers if server.address == address)

    async def replicas(self) -> list[Server]:
        """Return all other servers."""
        primary = await self.primary()
        return [server for server in self.servers if server is not primary]

    async def fail_over(self) -> Server:
        """Have the Sentinels put a replica in the primary's place; return the new primary."""
        old = await self.primary()
        await self.sentinels[0].ask("SENTINEL", "FAILOVER", NAME)
        return await self.successor_of(old)

    async def successor_of(self, old: Server) -> Server:
        """Wait until the Sentinels name another primary than that; return it."""

        async def is_replaced() -> bool:
            return await self.primary() is not old

        await wait_until(is_replaced, f"{old.name} is replaced", SETTLED_S)
        return await self.primary()

    async def settled(self) -> None:
        """Wait until all Sentinels agree and every other server follows the primary in step."""
        await wait_until(
            self.is_settled, "the replicas follow, and every Sentinel knows", SETTLED_S
        )

    async def is_settled(self) -> bool:
        """Report whether another failover may come now."""
        named = await self._named()
        if len(named) < len(self.sentinels) or len(set(named)) > 1:
            return False
        try:
            told = [_pairs(await s.ask("SENTINEL", "MASTER", NAME)) for s in self.sentinels]
            primary, *replicas = await self.primary(), *await self.replicas()
            role, offset, followers = await primary.ask("ROLE")
            followed = [await replica.ask("ROLE") for replica in replicas]
        except RedisError:
            return False
        return (
            all(
                each["flags"] == "master"
                and int(each["num-other-sentinels"]) == len(self.sentinels) - 1
                and int(each["num-slaves"]) >= len(replicas)
                for each in told
            )
            and (role, len(followers)) == ("master", len(replicas))
            and all(tuple(each[1:4]) == (*primary.address, "connected") for each in followed)
            and all(each[4] >= offset for each in followed)
        )

    async def _named(self) -> list[tuple[str, int]]:
        """Return whom each Sentinel that answers names as the primary."""
        found = []
        for sentinel in self.sentinels:
            with contextlib.suppress(RedisError):
                host, port = await sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
                found.append((host, int(port)))
        assert found or not self.sentinels, "no Sentinel answers"
        return found


def _pairs(told: Any) -> dict[str, str]:
    """Return what a Sentinel tells of a server as a mapping, whatever the protocol made of it."""
    if isinstance(told, dict):
        return {str(name): str(value) for name, value in told.items()}
    return dict(zip(told[::2], told[1::2], strict=True))


@contextlib.asynccontextmanager
async def replicated(
    folder: Path,
    *,
    servers: Sequence[Place] = (Place(), Place()),
    sentinels: Sequence[Place] = (Place(), Place(), Place()),
    down_after_ms: int = DOWN_AFTER_MS,
    settings: Sequence[str] = (),
    periods_ms: Mapping[str, int] = HASTE_MS,
) -> AsyncIterator[Replicated]:
    """Run servers, the first of them the primary, with Sentinels that watch it, until all is well.

    `settings` are further lines of every server's configuration. With no `periods_ms` the Sentinels
    keep their own time.
    """
    password, sentinel_password = secrets.token_hex(8), secrets.token_hex(8)
    group = Replicated(
        [_server(folder, f"server-{n}", place, password) for n, place in enumerate(servers)],
        [
            _server(folder, f"sentinel-{n}", place, sentinel_password, "--sentinel")
            for n, place in enumerate(sentinels)
        ],
        password,
        sentinel_password,
    )
    _configure(group, down_after_ms, settings)
    try:
        for server in (*group.servers, *group.sentinels):
            await server.start()
        for sentinel in group.sentinels:
            for name, value in periods_ms.items():
                await sentinel.ask("SENTINEL", "DEBUG", name, value)
        await group.settled()
        yield group
    except BaseException as error:
        for server in (*group.servers, *group.sentinels):
            error.add_note(f"--- {server.name}\n{server.log[-2000:]}")
        raise
    finally:
        await asyncio.gather(*(s.kill() for s in (*group.servers, *group.sentinels)))


def _server(folder: Path, name: str, place: Place, password: str, *arguments: str) -> Server:
    placed = Place(place.address, place.port or free_port(), place.prefix)
    return Server(name, placed, folder / name, password, arguments)


def _configure(group: Replicated, down_after_ms: int, settings: Sequence[str]) -> None:
    (host, port), password = group.servers[0].address, group.password
    for number, server in enumerate(group.servers):
        follows = [f"replicaof {host} {port}"] if number else []
        server.configure(DURABLE, AT_ONCE, f"masterauth {password}", *follows, *settings)
    for sentinel in group.sentinels:
        sentinel.configure(
            f"sentinel monitor {NAME} {host} {port} {len(group.sentinels) // 2 + 1}",
            f"sentinel auth-pass {NAME} {password}",
            f"sentinel down-after-milliseconds {NAME} {down_after_ms}",
            f"sentinel failover-timeout {NAME} {FAILOVER_TIMEOUT_MS}",
            f"sentinel parallel-syncs {NAME} {len(group.servers)}",
            f"sentinel sentinel-pass {group.sentinel_password}",
        )

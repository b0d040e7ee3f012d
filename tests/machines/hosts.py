"""Hosts made of Linux network namespaces: each has one line to a switch, which is in one more.

Nothing of it touches the network of the machine. The names of the namespaces hold the id of the
process that made them, so that the next run finds what one that was killed has left. On purpose:

1. A host is cut off at the switch: its packets vanish, and nobody is told of it by a reset.
2. What one host sends to another vanishes by an address of the other that nobody has.
3. A thin line delays and drops by its queue (tbf), for not every system knows netem.
"""

import asyncio
import contextlib
import ctypes
import os
import re
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.processes import is_gone

NAMESPACES = Path("/run/netns")
"""Where `ip netns` keeps them."""

PREFIX = "bridge-test"
SWITCH = "switch"
LINE = "eth0"
NETWORK = "10.88.0.{}"
NOBODY = "02:00:00:00:00:01"
THIN = ("rate", "400kbit", "burst", "4kb", "latency", "150ms")
CLONE_NEWNET = 0x40000000
"""From <sched.h>; see setns(2)."""


class CommandFailedError(Exception):
    """A command did not do what it was told; says which and why."""


class NoHostsError(Exception):
    """This system lets nobody make hosts, or not this user; says why."""


@dataclass(frozen=True)
class Host:
    """One host: its namespace, and its address."""

    name: str
    address: str
    namespace: str

    @property
    def prefix(self) -> tuple[str, ...]:
        """What a command begins with that runs there."""
        return ("ip", "netns", "exec", self.namespace)

    def enter(self) -> None:
        """Move this thread there: the sockets that it makes from now on are the host's."""
        with (NAMESPACES / self.namespace).open("rb") as namespace:
            move_to(namespace.fileno())

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Be there while the block lasts, in which nothing may be awaited."""
        with Path("/proc/thread-self/ns/net").open("rb") as own:
            self.enter()
            try:
                yield
            finally:
                move_to(own.fileno())


class Network:
    """Hosts, and the lines between them; not every system `has_thin_lines`."""

    def __init__(self, hosts: Iterable[Host], switch: str, *, has_thin_lines: bool) -> None:
        self._hosts = {host.name: host for host in hosts}
        self._switch = switch
        self.has_thin_lines = has_thin_lines

    def __getitem__(self, name: str) -> Host:
        return self._hosts[name]

    @contextlib.asynccontextmanager
    async def cut(self, host: Host) -> AsyncIterator[None]:
        """Lose all packets to and from a host while the block lasts."""
        line = ("-n", self._switch, "link", "set", host.name)
        try:
            await ip(*line, "down")
            yield
        finally:
            await ip(*line, "up")

    @contextlib.asynccontextmanager
    async def lost(self, senders: Iterable[Host], receivers: Iterable[Host]) -> AsyncIterator[None]:
        """Lose what these hosts send to those while the block lasts; the other way all passes."""
        pairs = [(one, other) for one in senders for other in receivers if one != other]
        try:
            for one, other in pairs:
                entry = (other.address, "lladdr", NOBODY, "dev", LINE, "nud", "permanent")
                await ip("-n", one.namespace, "neigh", "replace", *entry)
            yield
        finally:
            for one, other in pairs:
                await ip("-n", one.namespace, "neigh", "del", other.address, "dev", LINE)

    @contextlib.asynccontextmanager
    async def thinned(self, host: Host) -> AsyncIterator[None]:
        """Delay and lose some of what a host sends while the block lasts."""
        await thin(host.namespace, LINE)
        try:
            yield
        finally:
            await run("tc", "-n", host.namespace, "qdisc", "del", "dev", LINE, "root")

    def but(self, *some: Host) -> list[Host]:
        """Return all hosts but some."""
        return [other for other in self._hosts.values() if other not in some]


@contextlib.asynccontextmanager
async def network(*names: str) -> AsyncIterator[Network]:
    """Make hosts of these names, on a network of their own, and remove them in the end.

    Raises:
        NoHostsError: it cannot be.
    """
    own = f"{PREFIX}-{os.getpid()}-{secrets.token_hex(2)}"
    hosts = [
        Host(name, NETWORK.format(number), f"{own}-{name}")
        for number, name in enumerate(names, start=1)
    ]
    switch = f"{own}-{SWITCH}"
    try:
        try:
            await remove_left()
            await make(hosts, switch)
        except CommandFailedError as error:
            raise NoHostsError(str(error)) from error
        yield Network(hosts, switch, has_thin_lines=await can_thin(switch))
    finally:
        for namespace in sorted(NAMESPACES.glob(f"{own}-*")):
            await ip("netns", "del", namespace.name)


async def make(hosts: Iterable[Host], switch: str) -> None:
    """Make the switch, and the hosts."""
    await ip("netns", "add", switch)
    await ip("-n", switch, "link", "add", SWITCH, "type", "bridge")
    await ip("-n", switch, "link", "set", SWITCH, "up")
    for host in hosts:
        await connect(host, switch)


async def connect(host: Host, switch: str) -> None:
    """Make a host, and its line to the switch."""
    await ip("netns", "add", host.namespace)
    peer = ("peer", "name", LINE, "netns", host.namespace)
    await ip("-n", switch, "link", "add", host.name, "type", "veth", *peer)
    await ip("-n", switch, "link", "set", host.name, "master", SWITCH, "up")
    for own in ("addr", "add", f"{host.address}/24", "dev", LINE), ("link", "set", LINE, "up"):
        await ip("-n", host.namespace, *own)
    await ip("-n", host.namespace, "link", "set", "lo", "up")


async def thin(namespace: str, device: str) -> None:
    """Have what leaves by a device wait in a short queue, and be dropped when that is full."""
    await run("tc", "-n", namespace, "qdisc", "add", "dev", device, "root", "tbf", *THIN)


async def can_thin(switch: str) -> bool:
    """Report whether this system has thin lines."""
    try:
        await thin(switch, "lo")
    except CommandFailedError:
        return False
    return True


async def remove_left() -> None:
    """Remove the namespaces whose process is no more."""
    for namespace in NAMESPACES.glob(f"{PREFIX}-*"):
        owner = re.match(rf"{PREFIX}-(\d+)-", namespace.name)
        if owner and is_gone(int(owner[1])):
            with contextlib.suppress(CommandFailedError):  # another run removes it just now
                await ip("netns", "del", namespace.name)


async def ip(*arguments: str) -> None:
    """Run `ip`.

    Raises:
        CommandFailedError: it did not do it.
    """
    await run("ip", *arguments)


async def run(*command: str) -> None:
    """Run a command that changes the network.

    Raises:
        CommandFailedError: it did not do it.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
    except FileNotFoundError as error:
        raise CommandFailedError(f"there is no `{command[0]}` (Debian's iproute2)") from error
    _, said = await process.communicate()
    if process.returncode:
        why = said.decode().strip().replace("\n", "; ")
        raise CommandFailedError(f"`{' '.join(command)}` failed: {why}")


def move_to(namespace: int) -> None:
    """Move this thread to a network namespace, by its open file."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns failed")

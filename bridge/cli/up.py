"""`n8n-bridge up`: everything on one machine, kept running until Ctrl-C."""

import asyncio
import contextlib
import itertools
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from zlib import crc32

import click
import httpx2

from bridge.cli.welcome import base_url, welcome
from bridge.configuration.demo import demo_tokens, missing_folder, with_demo
from bridge.configuration.load import Configuration, read_configuration, unguarded
from bridge.configuration.settings import data_dir_of
from bridge.errors import ConfigurationError
from bridge.local.children import Child, Process, Surroundings, keep
from bridge.local.hangups import Hangups
from bridge.local.ports import RARELY_TAKEN, free_port, listen
from bridge.local.valkey import EmbeddedValkey

POLL_S = 0.1
ASK_S = 5.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Manner:
    """How the children run: `dev` has them serve what files are sound, and log into a file.

    It also holds the port for the web process, so that nobody is refused while that is replaced.
    """

    keeps_going: bool = False
    log: Path | None = None


AS_UP = Manner()
Work = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Plan:
    """What `up` is about to start: the environment of the children, and the tiers they start in.

    A tier is started when the one before it runs, and stopped when the one after it has ended.
    `missing_folder` is set where the demo is served because no server files are there. Those
    that are `reloaded` read them anew at a SIGHUP. The `listener`, which is open where the port is
    held for the web process, is for the caller to close.
    """

    configuration: Configuration
    environ: Mapping[str, str]
    stand_in_port: int | None
    missing_folder: Path | None
    tiers: tuple[tuple[Process, ...], ...]
    reloaded: tuple[Child, ...]
    listener: socket.socket


def plan(given: Mapping[str, str], manner: Manner = AS_UP) -> Plan:
    """Fill in what the environment leaves open, and check all of it before anything starts.

    Raises:
        ConfigurationError: settings, server files or the port are not fit to start with.
    """
    data_dir = data_dir_of(given)
    environ = dict(with_demo(given)) | demo_tokens(data_dir, given)
    first: tuple[Process, ...] = ()
    if not environ.get("BRIDGE_REDIS_URL"):
        valkey = EmbeddedValkey(data_dir / "valkey")
        environ["BRIDGE_REDIS_URL"] = valkey.url
        first = (valkey,)
    if environ.get("BRIDGE_PORT") == "0":
        environ["BRIDGE_PORT"] = str(free_port())
    stand_in_port = None
    if not environ.get("BRIDGE_N8N_URL"):
        stand_in_port = free_port(stand_in_port_of(data_dir))
        environ["BRIDGE_N8N_URL"] = f"http://127.0.0.1:{stand_in_port}"
    configuration = read_configuration(environ, keeps_going=manner.keeps_going)
    settings = configuration.settings
    listener = listen(settings.host, settings.port)
    if not manner.keeps_going:
        listener.close()
    held = (listener.fileno(),) if manner.keeps_going else ()
    options = ("--keep-going",) if manner.keeps_going else ()

    def child(*command: str, files: tuple[int, ...] = ()) -> Child:
        return Child(command, environ, settings.drain_s, Surroundings(None, manner.log, files))

    stand_in = (child("standin", "--port", str(stand_in_port)),) if stand_in_port else ()
    serving_at = tuple(word for file in held for word in ("--fd", str(file)))
    reloaded = (child("worker", *options), child("web", *options, *serving_at, files=held))
    tiers = (first, stand_in, reloaded)
    missing = missing_folder(given)
    return Plan(configuration, environ, stand_in_port, missing, tiers, reloaded, listener)


def stand_in_port_of(data_dir: Path) -> int:
    """Return the port for a data folder's stand-in: the same at each start, another in each folder.

    One for all would be fought for by two that start at once, for it is taken only seconds later.
    """
    return RARELY_TAKEN[crc32(bytes(data_dir.resolve())) % len(RARELY_TAKEN)]


async def up(given: Mapping[str, str], *, is_reloading: bool = False) -> None:
    """Run it all; return when a signal came and everything has drained.

    When `is_reloading`, server files are read anew whenever they change.

    Raises:
        ConfigurationError: it cannot start; nothing was left running.
    """
    hangups = Hangups()
    changes = changes_of_files(given) if is_reloading else None
    planned = plan(given)
    watching = (partial(reload_at, changes, planned),) if changes else ()
    hearing = partial(hangups.serve, partial(reload, planned))
    await until_stopped(keep_all(planned, partial(greet, planned), hearing, *watching))


async def until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Do some work until it is done, or a signal comes: then it is cancelled, and may drain."""
    working = asyncio.create_task(work)
    on_first_signal(working.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await working


async def keep_all(planned: Plan, *beside: Work) -> None:
    """Start everything and keep it running until cancelled, then drain.

    What is to be done `beside` begins once everything has been started.
    """
    async with contextlib.AsyncExitStack() as stack:
        # What looks at the store is half of all that is loaded here: it is while the store starts.
        loading = asyncio.create_task(asyncio.to_thread(import_module, "bridge.cli.operating"))
        for tier in planned.tiers:
            await stack.enter_async_context(running(tier))
            if tier is planned.tiers[0]:
                await loading
                from bridge.cli.operating import demand_store

                await demand_store(planned.configuration.settings)
                await demand_guards(planned)
                await demand_only_demo(planned)
        async with asyncio.TaskGroup() as tasks:
            for process in itertools.chain(*planned.tiers):
                tasks.create_task(keep(process))
            for work in beside:
                tasks.create_task(work())


async def reload(planned: Plan) -> None:
    """Pass on that server files are to be read anew; who does so reports what is wrong in them."""
    logger.info("up.reloading")
    for child in planned.reloaded:
        child.reload()


def changes_of_files(given: Mapping[str, str]) -> AsyncIterator[None]:
    """Yield each time that the server files, or the file of alerts, are others than now."""
    from bridge.configuration.changes import file_changes

    return file_changes(with_demo(given))


async def reload_at(changes: AsyncIterator[None], planned: Plan) -> None:
    """Pass on each change of the server files; never returns."""
    async for _ in changes:
        await reload(planned)


async def demand_guards(planned: Plan) -> None:
    """Refuse to start servers without tokens that others could reach, once there is a store."""
    from bridge.cli.operating import operating

    configuration = planned.configuration
    if unguarded(configuration.settings, configuration.servers.values()):
        async with operating(planned.environ) as operation:
            await operation.tokens.demand_guards(configuration.servers)


async def demand_only_demo(planned: Plan) -> None:
    """Refuse to serve the demo for want of server files where other servers have been served.

    It is the wrong folder then, most likely, and a worker fails the open calls of servers that it
    does not know.

    Raises:
        ConfigurationError: naming those servers, and how to start.
    """
    from bridge.cli.operating import operating

    if planned.missing_folder is None:
        return
    async with operating(planned.environ) as operation:
        others = await operation.operators.servers() - set(planned.configuration.servers)
    if others:
        raise ConfigurationError((not_only_demo(planned.missing_folder, others),))


@contextlib.asynccontextmanager
async def running(tier: tuple[Process, ...]) -> AsyncIterator[None]:
    """Start the processes of a tier, and stop them together at the end."""
    try:
        for process in tier:
            await process.start()
        yield
    finally:
        await asyncio.gather(*(process.stop() for process in tier))


def on_first_signal(drain: Callable[[], object]) -> None:
    """Call `drain` at the first signal to stop; a Ctrl-C after it ends this process, and so all."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)

    def act() -> None:
        logger.info("up.draining")
        for number in numbers:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)  # make(1) passes on what its group got already
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        drain()

    for number in numbers:
        loop.add_signal_handler(number, act)


async def greet(planned: Plan) -> None:
    """Print the welcome once the web process is ready."""
    settings = planned.configuration.settings
    local = base_url(settings.host, settings.port)
    async with httpx2.AsyncClient(timeout=ASK_S, trust_env=False) as client:
        while not await is_ready(client, f"{local}/readyz"):  # noqa: ASYNC110 - another process
            await asyncio.sleep(POLL_S)
    click.echo(
        welcome(
            planned.configuration, planned.environ, planned.stand_in_port, planned.missing_folder
        )
    )


def not_only_demo(folder: Path, others: Iterable[str]) -> str:
    """Return why the demo is not served: the store holds what belongs to other servers."""
    return (
        f"there are no server files in {folder}, but this store has served "
        f"{', '.join(sorted(others))}: start in the folder that has their files, name it in "
        "BRIDGE_SERVERS, or let the demo have a store of its own (BRIDGE_DATA_DIR names a folder)"
    )


async def is_ready(client: httpx2.AsyncClient, address: str) -> bool:
    """Ask once whether a process is ready."""
    try:
        return (await client.get(address)).status_code == httpx2.codes.OK
    except httpx2.TransportError:
        return False

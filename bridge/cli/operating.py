"""What operators' commands work with: the verbs on the store of a bridge that runs elsewhere."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bridge.configuration.alert_files import read_alert_file
from bridge.configuration.demo import as_up_sees_to, with_demo
from bridge.configuration.server_files import ServerFiles, read_server_files
from bridge.configuration.servers import Server
from bridge.configuration.settings import Settings, servers_dir_of
from bridge.errors import ConfigurationError, OutdatedError, StoreUnavailableError
from bridge.local.valkey import EmbeddedValkey, address_in
from bridge.models import new_process_id
from bridge.n8n.reply_address import ReplyAddresses
from bridge.queue import Queue
from bridge.schemas.checks import SchemaCache
from bridge.store.alerts import AlertStore
from bridge.store.breakers import Breakers
from bridge.store.caller_keys import CallerKeyStore
from bridge.store.pool import connected_to
from bridge.store.replies import ReplyStore
from bridge.store.safety import demand_safety
from bridge.store.steps import Steps
from bridge.store.tokens import TokenStore
from bridge.verbs.alerts import FiringAlerts
from bridge.verbs.bulks import Bulks
from bridge.verbs.caller_keys import CallerKeys
from bridge.verbs.operating import OperatorVerbs
from bridge.verbs.operators import Operators
from bridge.verbs.records import Records
from bridge.verbs.replies import Replies
from bridge.verbs.running_again import RunningAgain
from bridge.verbs.tokens import Tokens

T = TypeVar("T")

PATIENCE_S = 3.0
MEND = "start the bridge, or mend BRIDGE_REDIS_URL"


@dataclass(frozen=True)
class Operation:
    """One command's hold on the bridge."""

    operators: Operators
    records: Records
    running_again: RunningAgain
    bulks: Bulks
    tokens: Tokens
    callers: CallerKeys
    alerts: FiringAlerts
    settings: Settings
    servers: Mapping[str, Server]


@dataclass(frozen=True)
class Connected:
    """One command's connection to the store."""

    files: ServerFiles
    settings: Settings
    steps: Steps
    client: Redis


def operate(environ: Mapping[str, str], work: Callable[[Operation], Awaitable[T]]) -> T:
    """Run one command's work on the bridge that the environment names.

    Raises:
        ConfigurationError: wrong settings, or none that lead to a store.
    """

    async def run(connected: Connected) -> T:
        return await work(_operation(connected))

    return on_store(environ, run)


def on_store(
    environ: Mapping[str, str],
    work: Callable[[Connected], Awaitable[T]],
    *,
    starts_valkey: bool = False,
) -> T:
    """Run one command's work on the store that the environment names.

    With `starts_valkey` the embedded Valkey is started for it, where `up` does not run.

    Raises:
        ConfigurationError: wrong settings, or none that lead to a store.
    """
    # What a command does, and what is in its way, is said by the command itself.
    logging.getLogger("bridge").setLevel(logging.CRITICAL)

    async def run() -> T:
        try:
            async with _connected(environ, starts_valkey=starts_valkey) as connected:
                return await work(connected)
        except OutdatedError as error:
            raise ConfigurationError((str(error),)) from error
        except StoreUnavailableError as error:
            raise ConfigurationError((f"{error}; {MEND}",)) from error

    return asyncio.run(run())


@contextlib.asynccontextmanager
async def operating(environ: Mapping[str, str]) -> AsyncIterator[Operation]:
    """Connect to the store and register nothing there: a command is no process of the bridge."""
    async with _connected(environ) as connected:
        yield _operation(connected)


@contextlib.asynccontextmanager
async def _connected(
    environ: Mapping[str, str], *, starts_valkey: bool = False
) -> AsyncIterator[Connected]:
    folder = servers_dir_of(with_demo(environ))
    seen = as_up_sees_to(environ)
    files = read_server_files(folder, seen)
    # The files need not be sound: only for making tokens does it matter what they hold.
    known = files.variables | read_alert_file(seen, files).variables
    settings = Settings.from_environ(environ, known)
    async with contextlib.AsyncExitStack() as stack:
        data_dir = settings.data_dir / "valkey"
        url = settings.redis_url or address_in(data_dir)
        if not settings.redis_url and starts_valkey and not (url and await _answers(url)):
            url = (await stack.enter_async_context(EmbeddedValkey(data_dir))).url
        if url is None:
            raise ConfigurationError((_nowhere(settings),))
        client = stack.enter_context(connected_to(url))
        steps = Steps(client, PATIENCE_S, replicas_min=settings.replicas_min)
        await stack.enter_async_context(steps.running())
        yield Connected(files, settings, steps, client)


async def _answers(url: str) -> bool:
    try:
        with connected_to(url) as client:
            return bool(await client.ping())
    except (RedisError, OSError):
        return False


def _operation(connected: Connected) -> Operation:
    settings, steps, servers = connected.settings, connected.steps, connected.files.servers
    queue, addresses = Queue(connected.client), ReplyAddresses.of(settings)
    process = new_process_id("operator")
    store = ReplyStore(steps, process)
    replies = Replies(store, Breakers(steps), queue, addresses, settings.reply_retry_s)
    schemas = SchemaCache(PATIENCE_S)
    verbs = OperatorVerbs.of(steps, queue, servers, settings, schemas, replies)
    return Operation(
        verbs.operators,
        verbs.records,
        verbs.running_again,
        verbs.bulks,
        Tokens(TokenStore(steps), settings),
        CallerKeys(CallerKeyStore(steps), settings.base_url),
        FiringAlerts(AlertStore(steps, process)),
        settings,
        servers,
    )


async def demand_store(settings: Settings) -> None:
    """Refuse a Redis that can be no store, before anything is started on it.

    Raises:
        ConfigurationError: naming why, once for all processes that would start on it.
    """
    assert settings.redis_url is not None, "whoever starts processes has named their Redis"
    with connected_to(settings.redis_url) as client:
        await demand_safety(client, settings)


def _nowhere(settings: Settings) -> str:
    return (
        "there is no bridge to look at: BRIDGE_REDIS_URL is not set, and no Valkey of `up` has run "
        f"in {settings.data_dir} (BRIDGE_DATA_DIR)"
    )

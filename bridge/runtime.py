"""A process's own copy of the bridge: connected, wired, and closed in reverse."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from redis.asyncio import Redis

from bridge.configuration.current import McpServers, Servers
from bridge.configuration.operators_server import operators_server
from bridge.configuration.servers import Server
from bridge.configuration.settings import Settings
from bridge.errors import TransientError
from bridge.models import ProcessId, new_process_id
from bridge.n8n.reply_address import ReplyAddresses
from bridge.net.public_http import PublicHttp
from bridge.net.receivers import Receivers
from bridge.queue import Queue
from bridge.schemas.checks import SchemaCache
from bridge.store.breakers import Breakers
from bridge.store.caller_keys import CallerKeyStore
from bridge.store.event_feed import PushStore
from bridge.store.grants import GrantStore
from bridge.store.identity import IdentityStore
from bridge.store.keepalives import Keepalives
from bridge.store.layout import MARK
from bridge.store.pool import RedisConnections
from bridge.store.presence import ProcessLoad
from bridge.store.processes import BEAT_S, Heartbeat
from bridge.store.replies import DirectReplyStore
from bridge.store.safety import demand_safety
from bridge.store.signals import Signals
from bridge.store.steps import Steps
from bridge.store.tokens import TokenStore
from bridge.verbs.acks import Acks
from bridge.verbs.approval_requests import ApprovalRequests
from bridge.verbs.bulks import Bulks
from bridge.verbs.caller_keys import CallerKeys
from bridge.verbs.calls import Callbacks, Calls
from bridge.verbs.elicitations import Elicitations
from bridge.verbs.events import Events, Questions
from bridge.verbs.health import Health
from bridge.verbs.inboxes import Inboxes
from bridge.verbs.intake import Intake
from bridge.verbs.operating import OperatorVerbs
from bridge.verbs.operators import Operators
from bridge.verbs.overview import Overview
from bridge.verbs.pushes import Pushes
from bridge.verbs.records import Records
from bridge.verbs.replies import DirectReplies, Replies
from bridge.verbs.running_again import RunningAgain
from bridge.verbs.runs import Runs
from bridge.verbs.sessions import Sessions, limits_of
from bridge.verbs.store_losses import StoreLosses
from bridge.verbs.stores import Stores
from bridge.verbs.subscriptions import SubscriptionDeliveries, Subscriptions
from bridge.verbs.takers import Takers
from bridge.verbs.tokens import Authenticator
from bridge.verbs.troubles import Troubles

logger = logging.getLogger(__name__)

LEAVE_S = 2.0
"""How long a process that ends waits for a Redis that is away; others find out by themselves."""


@dataclass(frozen=True)
class WebRuntime:
    """What the routes for n8n and operators work with."""

    settings: Settings
    servers: Servers
    schemas: SchemaCache
    authenticator: Authenticator
    intake: Intake
    events: Events
    direct_replies: DirectReplies
    callbacks: Callbacks
    callers: CallerKeys
    operators: Operators
    records: Records
    running_again: RunningAgain
    bulks: Bulks
    health: Health
    troubles: Troubles
    receivers: Receivers


@dataclass(frozen=True)
class McpRuntime:
    """What tools, and the wires that they are called on, work with."""

    settings: Settings
    servers: McpServers
    schemas: SchemaCache
    authenticator: Authenticator
    events: Events
    takers: Takers
    questions: Questions
    calls: Calls
    acks: Acks
    sessions: Sessions
    keepalives: Keepalives
    inboxes: Inboxes
    pushes: Pushes
    subscriptions: Subscriptions
    operating: OperatorVerbs
    overview: Overview


@dataclass(frozen=True)
class WorkerRuntime:
    """What jobs and the sweeper work with."""

    settings: Settings
    servers: Servers
    schemas: SchemaCache
    events: Events
    callbacks: Callbacks
    callers: CallerKeys
    elicitations: Elicitations
    runs: Runs
    replies: Replies
    deliveries: SubscriptionDeliveries
    bulks: Bulks
    approvals: ApprovalRequests
    stores: Stores
    queue: Queue
    signals: Signals


@dataclass(frozen=True)
class Runtime:
    """One process of the bridge, by what each part of it works with."""

    process: ProcessId
    connections: RedisConnections
    redis: Redis
    steps: Steps
    stores: Stores
    losses: StoreLosses
    load: ProcessLoad
    web: WebRuntime
    mcp: McpRuntime
    workers: WorkerRuntime


@contextlib.asynccontextmanager
async def open_runtime(
    settings: Settings,
    servers: Mapping[str, Server],
    kind: str,
    patience_s: float,
    on_wait: Callable[[str], None] = lambda _why: None,
) -> AsyncIterator[Runtime]:
    """Connect and wire one process of the given kind (`web`, `worker` or `stdio`).

    What begins and ends with a process does so here, once, however many sessions it serves.
    `patience_s` is how long a step is repeated while Redis is away before it is given up. `on_wait`
    is told why the start waits for Redis, where it does.

    Raises:
        ConfigurationError: this Redis can be no store, or does not answer.
    """
    assert settings.redis_url is not None, "whoever opens a runtime has named its Redis"
    process, connections = new_process_id(kind, MARK), RedisConnections(settings.redis_url)
    client, ear = connections.client, connections.listener()
    # What a worker knows of finished calls must not be lost, whatever is wrong with Redis.
    is_worker, least = kind == "worker", settings.replicas_min
    steps = Steps(client, patience_s, is_insistent=is_worker, replicas_min=least)
    signals = Signals(ear)
    runtime = _wire(settings, Servers.of(servers), process, connections, steps, signals)
    checks = contextlib.aclosing(runtime.mcp.schemas)
    async with connections.following(steps), ear, checks, steps.running(), signals.running():
        await demand_safety(client, settings, on_wait)
        await runtime.mcp.authenticator.tokens.demand_guards(servers)
        async with (
            runtime.losses.watching(),
            _on_record(runtime),
            runtime.mcp.takers.running(),
            runtime.workers.callers.hearing(signals),
            runtime.workers.runs.running(),
        ):
            yield runtime


@contextlib.asynccontextmanager
async def _on_record(runtime: Runtime) -> AsyncIterator[None]:
    """Be known as a living process while the block lasts."""
    client = runtime.connections.blocking(BEAT_S)
    beat = Heartbeat(client, runtime.process, runtime.load.report, runtime.load.late)
    await runtime.stores.processes.beat()
    beat.start()
    going_on = asyncio.create_task(beat.follow_loop())
    logger.info("process.started", extra={"process_id": runtime.process})
    try:
        yield
    finally:
        going_on.cancel()
        logger.info("process.stopped", extra={"process_id": runtime.process})
        beat.end()
        with contextlib.suppress(TransientError, TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                await runtime.stores.processes.leave()


def _wire(
    settings: Settings,
    servers: Servers,
    process: ProcessId,
    connections: RedisConnections,
    steps: Steps,
    signals: Signals,
) -> Runtime:
    parts = _Parts(
        process,
        settings,
        servers,
        steps,
        signals,
        Stores.of(steps, signals, process, limits_of(settings)),
        Queue(connections.client),
        SchemaCache(steps.patience_s),
        CallerKeys(CallerKeyStore(steps), settings.base_url),
        ReplyAddresses.of(settings),
        Receivers(PublicHttp(), frozenset(settings.event_webhook_origins)),
        StoreLosses(IdentityStore(steps), settings.data_dir, settings.redis_url or ""),
    )
    authenticator = Authenticator(TokenStore(steps), GrantStore(steps), servers, settings, signals)
    events = Events(parts.stores.events, parts.queue, parts.schemas)
    replies = parts.replies()
    operating = parts.operating(replies)
    return Runtime(
        process=process,
        connections=connections,
        redis=connections.client,
        steps=steps,
        stores=parts.stores,
        losses=parts.losses,
        load=ProcessLoad(),
        web=parts.web(authenticator, events, operating),
        mcp=parts.mcp(authenticator, events, operating),
        workers=parts.workers(authenticator, events, replies, operating.bulks),
    )


@dataclass(frozen=True)
class _Parts:
    """What the verbs of a process are made of."""

    process: ProcessId
    settings: Settings
    servers: Servers
    steps: Steps
    signals: Signals
    stores: Stores
    queue: Queue
    schemas: SchemaCache
    callers: CallerKeys
    addresses: ReplyAddresses
    receivers: Receivers
    losses: StoreLosses

    def replies(self) -> Replies:
        breakers, retry_s = Breakers(self.steps), self.settings.reply_retry_s
        return Replies(self.stores.replies, breakers, self.queue, self.addresses, retry_s)

    def intake(self) -> Intake:
        return Intake(self.stores.events, self.schemas, self.addresses, self.settings.event_ttl_s)

    def operating(self, replies: Replies) -> OperatorVerbs:
        return OperatorVerbs.of(
            self.steps, self.queue, self.servers, self.settings, self.schemas, replies
        )

    def troubles(self) -> Troubles:
        its = self.stores
        health = Health(self.steps, its.processes, its.counters, its.minutes, self.losses)
        return Troubles(health, its.counters, its.operators, self.servers)

    def web(
        self, authenticator: Authenticator, events: Events, operating: OperatorVerbs
    ) -> WebRuntime:
        direct, troubles = DirectReplyStore(self.steps, self.process), self.troubles()
        return WebRuntime(
            settings=self.settings,
            servers=self.servers,
            schemas=self.schemas,
            authenticator=authenticator,
            intake=self.intake(),
            events=events,
            direct_replies=DirectReplies(direct, self.signals, self.queue),
            callbacks=Callbacks(self.stores.calls, self.schemas, self.servers),
            callers=self.callers,
            operators=operating.operators,
            records=operating.records,
            running_again=operating.running_again,
            bulks=operating.bulks,
            health=troubles.health,
            troubles=troubles,
            receivers=self.receivers,
        )

    def mcp(
        self, authenticator: Authenticator, events: Events, operating: OperatorVerbs
    ) -> McpRuntime:
        settings, stores, signals, schemas = self.settings, self.stores, self.signals, self.schemas
        acks = Acks(stores.claims, stores.calls)
        return McpRuntime(
            settings=settings,
            servers=McpServers(self.servers, operators_server(settings)),
            schemas=schemas,
            authenticator=authenticator,
            events=events,
            takers=Takers(stores.claims, signals, settings.principal_takers_max),
            questions=Questions(stores.claims, events),
            calls=Calls(stores.calls, signals, self.queue, schemas, settings.result_ttl_s),
            acks=acks,
            sessions=Sessions(stores.sessions, acks),
            keepalives=Keepalives(signals, settings.keepalive_s),
            inboxes=Inboxes(stores.inboxes, stores.arrivals, signals),
            pushes=Pushes(PushStore(self.steps, self.process), signals),
            subscriptions=Subscriptions(stores.subscriptions, stores.arrivals, self.receivers),
            operating=operating,
            overview=Overview(
                stores.counters, self.troubles(), operating.operators.approvals, self.servers
            ),
        )

    def workers(
        self, authenticator: Authenticator, events: Events, replies: Replies, bulks: Bulks
    ) -> WorkerRuntime:
        deliveries = SubscriptionDeliveries(
            self.stores.subscriptions,
            self.stores.arrivals,
            self.receivers,
            authenticator,
            self.servers,
            self.settings.event_ttl_s,
        )
        return WorkerRuntime(
            settings=self.settings,
            servers=self.servers,
            schemas=self.schemas,
            events=events,
            callbacks=Callbacks(self.stores.calls, self.schemas, self.servers),
            callers=self.callers,
            elicitations=Elicitations(self.servers, self.intake(), events, self.signals),
            runs=Runs(self.stores.runs, self.signals, self.schemas, self.servers),
            replies=replies,
            deliveries=deliveries,
            bulks=bulks,
            approvals=ApprovalRequests(
                self.stores.operators.approvals, self.stores.calls, self.servers, self.intake()
            ),
            stores=self.stores,
            queue=self.queue,
            signals=self.signals,
        )

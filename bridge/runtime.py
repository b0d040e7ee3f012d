"""A process's own copy of the bridge: connected, wired, and closed in reverse."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

import redis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.retry import Retry as BlockingRetry

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
from bridge.store.calls import CallStore
from bridge.store.claims import ClaimStore
from bridge.store.counters import Counters
from bridge.store.event_feed import ArrivalStore, PushStore
from bridge.store.events import EventStore
from bridge.store.grants import GrantStore
from bridge.store.identity import IdentityStore
from bridge.store.inboxes import InboxStore
from bridge.store.layout import MARK
from bridge.store.operators import OperatorStore
from bridge.store.outbox import Outbox
from bridge.store.pool import CONNECT_S, open_pool
from bridge.store.processes import BEAT_S, Heartbeat, ProcessStore
from bridge.store.replies import DirectReplyStore, ReplyStore
from bridge.store.runs import RunStore
from bridge.store.safety import demand_safety
from bridge.store.sessions import IN_USE_S, SessionLimits, SessionStore, StreamStore
from bridge.store.signals import Signals
from bridge.store.steps import Steps
from bridge.store.subscriptions import SubscriptionStore
from bridge.store.tokens import TokenStore
from bridge.verbs.acks import Acks
from bridge.verbs.authenticator import Authenticator
from bridge.verbs.calls import Callbacks, Calls
from bridge.verbs.events import Events, Questions
from bridge.verbs.intake import Intake
from bridge.verbs.operators import Operators, warn_of_stranded
from bridge.verbs.pushes import Pushes
from bridge.verbs.replies import DirectReplies, Replies
from bridge.verbs.runs import Runs
from bridge.verbs.store_losses import StoreLosses
from bridge.verbs.subscriptions import SubscriptionDeliveries, Subscriptions
from bridge.verbs.takers import Takers

logger = logging.getLogger(__name__)

LEAVE_S = 2.0
"""How long a process that ends waits for a Redis that is away; others find out by themselves."""


@dataclass(frozen=True)
class Runtime:
    """What doors and jobs work with."""

    settings: Settings
    servers: Mapping[str, Server]
    process: ProcessId
    redis: Redis
    signals: Signals
    schemas: SchemaCache
    intake: Intake
    events: Events
    takers: Takers
    calls: Calls
    runs: Runs
    replies: Replies
    direct_replies: DirectReplies
    authenticator: Authenticator
    processes: ProcessStore
    sessions: SessionStore
    event_store: EventStore
    call_store: CallStore
    run_store: RunStore
    reply_store: ReplyStore
    receivers: Receivers
    queue: Queue
    steps: Steps
    streams: StreamStore
    losses: StoreLosses

    @property
    def counters(self) -> Counters:
        """Return what speaks Redis for totals."""
        return Counters(self.steps)

    @property
    def arrivals(self) -> ArrivalStore:
        """Return what speaks Redis for what has come."""
        return ArrivalStore(self.steps)

    @property
    def inboxes(self) -> InboxStore:
        """Return what speaks Redis for how inboxes and lists stand."""
        return InboxStore(self.steps)

    @property
    def subscription_store(self) -> SubscriptionStore:
        """Return what speaks Redis for webhook subscriptions."""
        return SubscriptionStore(self.steps, self.process)

    @property
    def subscriptions(self) -> Subscriptions:
        """Return the verbs of webhook subscriptions."""
        return Subscriptions(self.subscription_store, self.arrivals, self.receivers)

    @property
    def deliveries(self) -> SubscriptionDeliveries:
        """Return the verb that tells receivers what has come."""
        return SubscriptionDeliveries(
            self.subscription_store,
            self.arrivals,
            self.receivers,
            self.authenticator,
            self.servers,
            self.settings.event_ttl_s,
        )

    @property
    def pushes(self) -> Pushes:
        """Return the verb of pushes, which needs nothing of its own."""
        return Pushes(PushStore(self.steps), self.signals)

    @property
    def operators(self) -> Operators:
        """Return the verbs of people who look after the bridge."""
        store = OperatorStore(self.steps)
        return Operators(store, self.event_store, self.call_store, self.replies)

    async def warn_of_stranded(self) -> None:
        """Report in the log which events wait on hooks that no server file has."""
        await warn_of_stranded(OperatorStore(self.steps), self.counters, self.servers)

    @property
    def callbacks(self) -> Callbacks:
        """Return the verbs of callbacks, which need nothing of their own."""
        return Callbacks(self.call_store, self.schemas, self.servers)

    @property
    def claim_store(self) -> ClaimStore:
        """What brings events to takers."""
        return ClaimStore(self.steps, self.process)

    @property
    def questions(self) -> Questions:
        """Return the verbs of questions, which are made of those of events."""
        return Questions(self.claim_store, self.events)

    @property
    def acks(self) -> Acks:
        """Return the verbs of acks, which need nothing of their own."""
        return Acks(self.claim_store, self.call_store)

    @property
    def outbox(self) -> Outbox:
        """Return what speaks Redis for frames on their way."""
        return Outbox(self.steps)


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
    url = settings.redis_url
    assert url is not None, "whoever opens a runtime has named its Redis"
    process = new_process_id(kind, MARK)
    client = Redis.from_pool(open_pool(url))
    ear = Redis.from_url(
        url,
        socket_timeout=None,
        socket_connect_timeout=CONNECT_S,
        retry=Retry(NoBackoff(), 0),
    )
    # What a worker knows of finished calls must not be lost, whatever is wrong with Redis.
    steps, signals = Steps(client, patience_s, is_insistent=kind == "worker"), Signals(ear)
    runtime = _wire(settings, servers, process, client, steps, signals)
    checks = contextlib.aclosing(runtime.schemas)
    async with client, ear, checks, steps.running(), signals.running():
        await demand_safety(client, allow_unsafe=settings.allow_unsafe_redis, on_wait=on_wait)
        await runtime.authenticator.tokens.demand_guards(servers)
        async with (
            runtime.losses.watching(),
            _on_record(runtime, url),
            runtime.takers.running(),
        ):
            yield runtime


@contextlib.asynccontextmanager
async def _on_record(runtime: Runtime, url: str) -> AsyncIterator[None]:
    """Be known as a living process while the block lasts."""
    client = redis.Redis.from_url(
        url,
        socket_timeout=BEAT_S,
        socket_connect_timeout=BEAT_S,
        retry=BlockingRetry(NoBackoff(), 0),
    )
    beat = Heartbeat(client, runtime.process)
    await runtime.processes.beat()
    beat.start()
    going_on = asyncio.create_task(_say_that_the_loop_runs(beat))
    logger.info("process.started", extra={"process_id": runtime.process})
    try:
        yield
    finally:
        going_on.cancel()
        logger.info("process.stopped", extra={"process_id": runtime.process})
        beat.end()
        with contextlib.suppress(TransientError, TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                await runtime.processes.leave()


async def _say_that_the_loop_runs(beat: Heartbeat) -> None:
    while True:
        beat.loop_runs()
        await asyncio.sleep(BEAT_S)


def _wire(
    settings: Settings,
    servers: Mapping[str, Server],
    process: ProcessId,
    client: Redis,
    steps: Steps,
    signals: Signals,
) -> Runtime:
    schemas, queue = SchemaCache(steps.patience_s), Queue(client)
    event_store, call_store = EventStore(steps), CallStore(steps)
    run_store, reply_store = RunStore(steps, process), ReplyStore(steps, process)
    addresses = ReplyAddresses.of(settings)
    replies = Replies(reply_store, Breakers(steps), queue, addresses, settings.reply_retry_s)
    return Runtime(
        settings=settings,
        servers=servers,
        process=process,
        redis=client,
        signals=signals,
        schemas=schemas,
        events=Events(event_store, queue, schemas),
        intake=Intake(event_store, schemas, addresses, settings.event_ttl_s),
        takers=Takers(ClaimStore(steps, process), signals, settings.principal_takers_max),
        calls=Calls(call_store, signals, queue, schemas, settings.result_ttl_s),
        runs=Runs(run_store, signals, schemas, servers),
        replies=replies,
        authenticator=Authenticator(TokenStore(steps), GrantStore(steps), servers, settings),
        direct_replies=DirectReplies(DirectReplyStore(steps, process), signals, queue),
        processes=ProcessStore(steps, process),
        sessions=SessionStore(steps, _session_limits(settings)),
        event_store=event_store,
        call_store=call_store,
        run_store=run_store,
        reply_store=reply_store,
        receivers=Receivers(PublicHttp(), frozenset(settings.event_webhook_origins)),
        queue=queue,
        steps=steps,
        streams=StreamStore(steps, process, _session_limits(settings)),
        losses=StoreLosses(IdentityStore(steps), settings.data_dir, settings.redis_url or ""),
    )


def _session_limits(settings: Settings) -> SessionLimits:
    return SessionLimits(
        idle_s=settings.session_idle_s,
        of_principal=settings.principal_sessions_max,
        of_all=settings.sessions_max,
        in_use_s=max(IN_USE_S, 3 * settings.keepalive_s),
    )

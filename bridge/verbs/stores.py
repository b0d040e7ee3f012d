"""What speaks Redis in one process, all that its verbs stand on."""

from dataclasses import dataclass

from bridge.models import ProcessId
from bridge.store.calls import CallStore
from bridge.store.claims import ClaimStore
from bridge.store.counters import Counters
from bridge.store.event_feed import ArrivalStore
from bridge.store.events import EventStore
from bridge.store.inboxes import InboxStore
from bridge.store.minutes import MinuteStore
from bridge.store.operators import OperatorStore
from bridge.store.outbox import Outbox
from bridge.store.processes import ProcessStore
from bridge.store.replies import ReplyStore
from bridge.store.runs import RunStore
from bridge.store.sessions import SessionLimits, SessionStore, StreamStore
from bridge.store.signals import Signals
from bridge.store.steps import Steps
from bridge.store.subscriptions import SubscriptionStore
from bridge.verbs.sessions import SessionStores


@dataclass(frozen=True)
class Stores:
    """What speaks Redis in one process, by what it keeps there."""

    events: EventStore
    claims: ClaimStore
    calls: CallStore
    runs: RunStore
    replies: ReplyStore
    subscriptions: SubscriptionStore
    arrivals: ArrivalStore
    inboxes: InboxStore
    sessions: SessionStores
    operators: OperatorStore
    counters: Counters
    minutes: MinuteStore
    processes: ProcessStore

    @classmethod
    def of(
        cls, steps: Steps, signals: Signals, process: ProcessId, limits: SessionLimits
    ) -> "Stores":
        """Return those of a process."""
        return cls(
            events=EventStore(steps),
            claims=ClaimStore(steps, process),
            calls=CallStore(steps),
            runs=RunStore(steps, process),
            replies=ReplyStore(steps, process),
            subscriptions=SubscriptionStore(steps, process),
            arrivals=ArrivalStore(steps),
            inboxes=InboxStore(steps),
            sessions=SessionStores(
                SessionStore(steps, limits),
                StreamStore(steps, process, limits),
                Outbox(steps, limits.idle_s),
                signals,
            ),
            operators=OperatorStore(steps),
            counters=Counters(steps),
            minutes=MinuteStore(steps),
            processes=ProcessStore(steps, process),
        )

"""What operators see and do, wired on one process's store."""

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.configuration.servers import Server
from bridge.configuration.settings import Settings
from bridge.n8n.reply_address import ReplyAddresses
from bridge.queue import Queue
from bridge.schemas.checks import SchemaCache
from bridge.store.calls import CallStore
from bridge.store.events import EventStore
from bridge.store.operators import OperatorStore
from bridge.store.searching import SearchStore
from bridge.store.steps import Steps
from bridge.verbs.bulks import Bulks
from bridge.verbs.intake import Intake
from bridge.verbs.operators import Operators
from bridge.verbs.records import Records
from bridge.verbs.replies import Replies
from bridge.verbs.running_again import RunningAgain


@dataclass(frozen=True)
class OperatorVerbs:
    """All that operators see and do with records."""

    operators: Operators
    records: Records
    running_again: RunningAgain
    bulks: Bulks
    servers: Mapping[str, Server]

    @classmethod
    def of(
        cls,
        steps: Steps,
        queue: Queue,
        servers: Mapping[str, Server],
        settings: Settings,
        schemas: SchemaCache,
        replies: Replies,
    ) -> "OperatorVerbs":
        """Return those of a process, or of a command that is none."""
        store, events = OperatorStore(steps), EventStore(steps)
        intake = Intake(events, schemas, ReplyAddresses.of(settings), settings.event_ttl_s)
        records = Records(SearchStore(steps), store, servers)
        again = RunningAgain(store.again, intake, schemas, queue)
        return cls(
            Operators(store, events, CallStore(steps), replies),
            records,
            again,
            Bulks(store.bulks, records, again, queue, servers, settings.result_ttl_s),
            servers,
        )

"""Searches amid whatever comes and changes: no record twice, and none missed that was there."""

from dataclasses import dataclass, field

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from bridge.models import (
    Call,
    CallId,
    Event,
    EventId,
    EventStatus,
    Principal,
    ProcessId,
    new_lease_token,
)
from bridge.store.calls import CallStore
from bridge.store.claims import ClaimStore
from bridge.store.events import EventStore
from bridge.store.operators import OperatorStore
from bridge.store.searching import SearchStore
from bridge.verbs.record_search import RecordKind, RecordPage, RecordSearch
from bridge.verbs.records import Records
from tests.store.call_records import new_call
from tests.store.machine import StoreMachine, check
from tests.store.records import ALICE, SERVER, held, new_event, wish

OPEN = ("queued", "leased")
WALKS = {
    "all events": (RecordKind.EVENTS, RecordSearch()),
    "open ones of a hook": (RecordKind.EVENTS, RecordSearch(part="calm", statuses=OPEN)),
    "all calls": (RecordKind.CALLS, RecordSearch()),
    "queued calls of a server": (
        RecordKind.CALLS,
        RecordSearch(server=SERVER, statuses=("queued",)),
    ),
}
PLACES = [(server, hook) for server in (SERVER, "sales") for hook in ("calm", "alarm")]


@dataclass
class Walk:
    """One search on its way: what it has found, and what has been there all the time."""

    constant: set[str]
    found: list[tuple[int, str]] = field(default_factory=list)
    cursor: int | None = None


class SearchMachine(StoreMachine):
    """Searches go on page by page while events and calls come, change status and go."""

    def __init__(self) -> None:
        super().__init__()
        self.events = EventStore(self.steps)
        self.takers = ClaimStore(self.steps, ProcessId("web-1"))
        self.calls = CallStore(self.steps)
        self.records = Records(SearchStore(self.steps, look_at=4), OperatorStore(self.steps), {})
        self.there: dict[str, tuple[RecordKind, str, str, str]] = {}
        """Of each record its kind, server, hook or workflow, and status."""
        self.walks: dict[str, Walk] = {}

    @initialize(
        counts=st.lists(st.sampled_from((1, 2, 25)), min_size=len(PLACES), max_size=len(PLACES))
    )
    def begin(self, counts: list[int]) -> None:
        for _ in range(max(counts)):
            for place, count in zip(PLACES, counts, strict=True):
                if count > sum(each[1:3] == place for each in self.there.values()):
                    self.receive(place)
        self.walks = {name: self.started(name) for name in WALKS}

    @rule(place=st.sampled_from(PLACES))
    def receive(self, place: tuple[str, str]) -> None:
        new = new_event(server=place[0], hook=place[1])
        self.run(self.events.accept(new))
        self.there[new.event_id] = (RecordKind.EVENTS, *place, "queued")

    @rule(become=st.sampled_from(("leased", "answered", "dead", "queued")))
    def take(self, become: str) -> None:
        token = new_lease_token()
        hooks = {"calm": 0, "alarm": 0}
        found = self.run(self.takers.take(wish(hooks=hooks), ALICE, token))
        if not found:
            return
        event = found[0]
        claim = held(event, token)
        if become == "answered":
            self.run(self.events.answer(claim, b"1"))
        elif become != "leased":
            self.run(self.events.release(claim, status=become))
        now = self.run(self.events.read(event.event_id))
        assert now
        self.becomes(event.event_id, now.status)

    @rule(data=st.data())
    def redrive(self, data: st.DataObject) -> None:
        dead = [one for one, (*_, status) in self.there.items() if status == EventStatus.DEAD]
        if dead:
            event_id = data.draw(st.sampled_from(dead))
            self.run(OperatorStore(self.steps).redrive(EventId(event_id), new_lease_token()))
            self.becomes(event_id, "queued")

    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        if self.there:
            gone = data.draw(st.sampled_from(list(self.there)))  # ids are of chance
            kind = self.there.pop(gone)[0]
            self.run(self.drop(f"{{bridge}}:{kind[:-1]}:{gone}"))
            for walk in self.walks.values():
                walk.constant.discard(gone)

    async def drop(self, key: str) -> None:
        await self.redis.delete(key)

    @rule(caller=st.sampled_from((ALICE, Principal(SERVER, "bob"), Principal("sales", "bob"))))
    def call(self, caller: Principal) -> None:
        new = new_call(caller)
        self.run(self.calls.create(new))
        self.there[new.call_id] = (RecordKind.CALLS, caller.server, new.workflow, "queued")

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        calls = [one for one, (kind, *_) in self.there.items() if kind is RecordKind.CALLS]
        if calls:
            call_id = data.draw(st.sampled_from(calls))
            self.run(self.calls.cancel(CallId(call_id), "enough"))
            self.becomes(call_id, "cancelled")

    @rule(limit=st.sampled_from((1, 3, 1000)))
    def gather(self, limit: int) -> None:
        self.run(OperatorStore(self.steps).gather_calls(limit, limit))

    @rule(name=st.sampled_from(sorted(WALKS)), limit=st.sampled_from((1, 3, 50)))
    def go_on(self, name: str, limit: int) -> None:
        kind, wanted = WALKS[name]
        walk = self.walks[name]
        on = RecordSearch(wanted.server, wanted.part, wanted.statuses, before=walk.cursor)
        if kind is RecordKind.EVENTS:
            page = rows_of(self.run(self.records.events(on, limit)))
        else:
            page = rows_of(self.run(self.records.calls(on, limit)))
        assert len(page.rows) <= limit
        walk.found += page.rows
        walk.cursor = page.cursor
        assert walk.found == sorted(set(walk.found), reverse=True), "newest first, none twice"
        if page.cursor is None:
            assert walk.constant <= {one for _, one in walk.found}, "none is missing"
            assert {one for _, one in page.rows} <= set(self.there), "none that is gone"
            self.walks[name] = self.started(name)

    def started(self, name: str) -> Walk:
        return Walk({one for one in self.there if self.fits(name, one)})

    def becomes(self, one: str, status: str) -> None:
        self.there[one] = (*self.there[one][:3], status)
        for name, walk in self.walks.items():
            if not self.fits(name, one):
                walk.constant.discard(one)

    def fits(self, name: str, one: str) -> bool:
        kind, wanted = WALKS[name]
        own, server, part, status = self.there[one]
        return (
            own is kind
            and wanted.server in (None, server)
            and wanted.part in (None, part)
            and (not wanted.statuses or status in wanted.statuses)
        )


def rows_of(page: RecordPage[Event] | RecordPage[Call]) -> RecordPage[tuple[int, str]]:
    """Return the order number and the id of each record of a page."""
    rows: list[tuple[int, str]] = [
        (row.order, row.event_id if isinstance(row, Event) else row.call_id) for row in page.rows
    ]
    return RecordPage(rows, page.cursor, page.is_cut)


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("anyio_backend")
def test_a_search_finds_each_record_once_and_all_that_were_there_whatever_happens_meanwhile(
    redis_url: str,
) -> None:
    check(SearchMachine, redis_url)

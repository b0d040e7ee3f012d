"""Events in any order of steps: the store does what a model in plain Python does."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, consumes, invariant, multiple, rule
from typing_extensions import override

from bridge.errors import PausedError
from bridge.models import (
    Body,
    Event,
    EventId,
    LeaseRef,
    LeaseToken,
    Principal,
    ProcessId,
    new_event_id,
    new_lease_token,
)
from bridge.store.claims import ClaimRequest, ClaimStore
from bridge.store.events import EventStore
from bridge.store.operators import OperatorStore
from bridge.store.processes import ProcessStore
from tests.store.event_model import FINAL, Claim, EventModel, InboxModel, WaiterModel
from tests.store.machine import StoreMachine, T, check, entries, key
from tests.store.records import ADDRESS, SERVER, new_event

PRIORITIES = {"calm": 0, "alarm": 1}
PROCESSES = ("web-1", "web-2")
STATUSES = ("queued", "delayed", "leased", "answered", "dead", "expired")
LATE: dict[str, set[str]] = {"answered": set(), "expired": set(), "dead": {"answered"}}
"""What a final status may still become by a late answer."""

hooks = st.sampled_from(sorted(PRIORITIES))
principals = st.sampled_from(("alice", "bob"))
processes = st.sampled_from(PROCESSES)
several = st.sampled_from((1, 2, 3))


class EventMachine(StoreMachine):
    """Two processes take and settle events of two hooks; time passes when it is told to."""

    ids: Bundle[str] = Bundle("ids")
    claims: Bundle[Claim] = Bundle("claims")
    waiters: Bundle[WaiterModel] = Bundle("waiters")

    def __init__(self) -> None:
        super().__init__()
        self.model = InboxModel(PRIORITIES)
        self.seen: dict[str, str] = {}
        self.operators = OperatorStore(self.steps)
        self.events = EventStore(self.steps)
        self.takers = {name: ClaimStore(self.steps, ProcessId(name)) for name in PROCESSES}
        for name in PROCESSES:
            self.run(ProcessStore(self.steps, ProcessId(name)).beat())

    @rule(
        target=ids,
        hook=hooks,
        max_attempts=several,
        has_address=st.booleans(),
        has_default=st.booleans(),
        seal=st.tuples(st.sampled_from(("", "", "one", "two")), st.sampled_from(("x", "y"))),
        matter=st.sampled_from(("", "", "ticket")),
    )
    def accept(
        self,
        hook: str,
        max_attempts: int,
        has_address: bool,
        has_default: bool,
        seal: tuple[str, str],
        matter: str,
    ) -> str | MultipleResults[str]:
        key, digest = seal
        new = new_event(
            event_id=new_event_id(),
            hook=hook,
            max_attempts=max_attempts,
            reply_url=ADDRESS if has_address else "",
            default_reply="0" if has_default else "",
            idempotency=key,
            digest=digest,
            coalesce=matter and f"{hook}-{matter}",
            coalesce_for_s=600,
        )

        async def step() -> tuple[str, str | None]:
            outcome, event = await self.events.accept(new)
            return outcome, event.event_id if event else None

        order = len(self.model.events)
        modelled = EventModel(
            new.event_id, hook, order, max_attempts, has_address, has_default, matter=new.coalesce
        )
        outcome, event_id = self.model.accept(modelled, key, digest)
        assert self.do(step) == (outcome, event_id)
        return new.event_id if outcome == "accepted" else multiple()

    @rule(target=claims, only=st.none() | hooks, principal=principals, process=processes)
    def take(
        self, only: str | None, principal: str, process: str
    ) -> Claim | MultipleResults[Claim]:
        token = new_lease_token()
        wish = ClaimRequest(SERVER, tuple(PRIORITIES.items()), (only,) if only else (), "")

        async def step() -> tuple[str, str, int] | None:
            store = self.takers[process]
            found = await self.unless_paused(store, wish, Principal(SERVER, principal), token)
            return (found[0].event_id, found[0].status, found[0].attempt) if found else None

        event_id = self.model.take(only, token, principal, process)
        found = self.do(step)
        if event_id is None:
            assert found is None
            return multiple()
        assert found == (event_id, "leased", self.model.events[event_id].attempt)
        return Claim(event_id, token, principal)

    @rule(target=waiters, only=st.none() | hooks, principal=principals, process=processes)
    def begin_to_wait(self, only: str | None, principal: str, process: str) -> WaiterModel:
        token = new_lease_token()
        waiter = WaiterModel(f"waiter-{token}", only, token, principal, process)
        self.look(waiter)
        return waiter

    @rule(target=claims, waiter=consumes(waiters))
    def take_in_line(self, waiter: WaiterModel) -> Claim | MultipleResults[Claim]:
        event_id = self.look(waiter)
        return Claim(event_id, waiter.token, waiter.principal) if event_id else multiple()

    def look(self, waiter: WaiterModel) -> str | None:
        principal = Principal(SERVER, waiter.principal)

        async def step() -> str | None:
            store = self.takers[waiter.process]
            wish, token = self.wish_of(waiter), LeaseToken(waiter.token)
            found = await self.unless_paused(store, wish, principal, token)
            return found[0].event_id if found else None

        expected = self.model.look(waiter)
        assert self.do(step) == expected
        return expected

    async def unless_paused(
        self, store: ClaimStore, wish: ClaimRequest, principal: Principal, token: LeaseToken
    ) -> tuple[Event, Body] | None:
        asked = wish.only or PRIORITIES
        try:
            return await store.take(wish, principal, token)
        except PausedError:
            assert self.model.paused & set(asked)
            return None

    def wish_of(self, waiter: WaiterModel) -> ClaimRequest:
        only = (waiter.only,) if waiter.only else ()
        return ClaimRequest(SERVER, tuple(PRIORITIES.items()), only, waiter.waiter, wait_s=60)

    @override
    def do(self, step: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Take a step, and have all served in line, as who was woken by it does."""
        answer = super().do(step)
        self.serve()
        return answer

    def serve(self) -> None:
        self.model.serve()
        self.run(self.takers["web-1"].match(SERVER, tuple(PRIORITIES.items())))

    @rule(waiter=waiters)
    def leave_the_line(self, waiter: WaiterModel) -> None:
        self.model.leave(waiter)
        store, token = self.takers[waiter.process], LeaseToken(waiter.token)
        self.do(lambda: store.leave_line(self.wish_of(waiter), token))

    @rule(waiter=waiters)
    def a_process_is_thought_dead_that_was_to_wake_a_waiter(self, waiter: WaiterModel) -> None:
        event = self.model.given(waiter)
        if event is not None:
            event_id = event.event_id
            self.model.lose(waiter)
            self.do(lambda: self.takers["web-1"].abandon(event_id, waiter.token))

    @rule(claim=claims, value=st.sampled_from((b"1", b"2")))
    def answer(self, claim: Claim, value: bytes) -> None:
        expected = self.model.answer(claim, value)
        assert self.do(lambda: self.events.answer(held(claim), value)) == expected

    @rule(claim=claims)
    def extend(self, claim: Claim) -> None:
        async def step() -> str:
            outcome, _ = await self.events.extend(held(claim), 600)
            return outcome

        expected = self.model.extend(claim)
        assert self.do(step) == expected

    @rule(claim=claims, status=st.sampled_from(("queued", "delayed", "dead")))
    def release(self, claim: Claim, status: str) -> None:
        expected = self.model.release(claim, status)
        assert (
            self.do(lambda: self.events.release(held(claim), status=status, delay_s=600))
            == expected
        )

    @rule(event_id=ids)
    def redrive(self, event_id: str) -> None:
        token = new_lease_token()
        expected = self.model.redrive(event_id)
        if expected[0] == "redriven":
            self.seen[event_id] = expected[1]

        async def step() -> str:
            outcome, _ = await self.operators.redrive(EventId(event_id), token)
            return outcome

        assert self.do(step) == expected[0]

    @rule(hook=hooks)
    def pause(self, hook: str) -> None:
        self.model.paused.add(hook)
        self.do_once(lambda: self.operators.pauses.begin(f"{SERVER}/{hook}", "operator"))

    @rule(hook=hooks)
    def resume(self, hook: str) -> None:
        was_paused = hook in self.model.paused
        self.model.paused.discard(hook)
        pauses, place = self.operators.pauses, f"{SERVER}/{hook}"
        assert self.do_once(lambda: pauses.lift(place, SERVER, [hook])) == was_paused
        self.serve()

    @rule(event_id=ids)
    def an_operator_takes_an_event_back(self, event_id: str) -> None:
        expected = self.model.take_back(event_id)

        async def step() -> str:
            outcome, _ = await self.operators.pauses.take_back_event(event_id, "operator")
            return outcome

        assert self.do_once(step) == expected
        self.serve()
        self.forget_last()

    @rule(claim=claims)
    def abandon(self, claim: Claim) -> None:
        self.model.abandon(claim)
        self.do(lambda: self.takers["web-2"].abandon(claim.event_id, claim.token))

    @rule(claim=claims)
    def hand_over(self, claim: Claim) -> None:
        self.model.hand_over(claim)
        event_id, token = EventId(claim.event_id), LeaseToken(claim.token)
        self.do(lambda: self.takers["web-2"].handed_over(event_id, token))

    @rule(claim=claims, process=processes)
    def hold(self, claim: Claim, process: str) -> None:
        self.model.hold(claim, process)
        self.do(lambda: self.takers[process].hold(claim.event_id, claim.token))

    @rule(event_id=ids)
    def a_lease_or_a_delay_runs_out(self, event_id: str) -> None:
        if self.model.events[event_id].status in ("leased", "delayed"):
            self.model.events[event_id].is_lapsed = True
        self.run(self.pass_time("event_leases", event_id))
        self.forget_last()

    @rule(event_id=ids)
    def a_deadline_passes(self, event_id: str) -> None:
        self.model.events[event_id].is_overdue = True
        self.run(self.pass_time("event_deadlines", event_id))
        self.forget_last()

    @rule()
    def sweep(self) -> None:
        async def step() -> None:
            await self.events.sweep()

        self.model.sweep()
        self.do(step)

    @invariant()
    def all_is_as_promised(self) -> None:
        self.each_event_is_as_the_model_says()
        self.a_final_status_is_left_only_as_promised()
        self.each_event_stands_in_one_inbox()
        self.time_is_kept_for_what_can_still_change_with_it()
        self.each_process_holds_what_the_model_says()

    def each_event_is_as_the_model_says(self) -> None:
        events = list(self.model.events.values())
        records = self.read(
            *(("HMGET", key("event", e.event_id), "status", "attempt", "merged") for e in events)
        )
        replies = self.read(
            *(("HMGET", key("reply", e.event_id), "status", "value") for e in events)
        )
        for event, record, reply in zip(events, records, replies, strict=True):
            assert record == [event.status, str(event.attempt), str(event.merged or "") or None]
            assert reply == [event.reply, event.value and event.value.decode()]
            assert event.attempt <= event.max_attempts

    def a_final_status_is_left_only_as_promised(self) -> None:
        for event_id, event in self.model.events.items():
            before = self.seen.get(event_id, "queued")
            assert event.status == before or event.status in LATE.get(before, set(STATUSES))
            self.seen[event_id] = event.status

    def each_event_stands_in_one_inbox(self) -> None:
        places = [(hook, status) for hook in PRIORITIES for status in STATUSES]
        inboxes = self.read(
            *(("ZRANGE", key("inbox", SERVER, *place), "0", "-1") for place in places)
        )
        for place, members in zip(places, inboxes, strict=True):
            here = [e for e in self.model.events.values() if (e.hook, e.status) == place]
            assert set(members) == {event.event_id for event in here}

    def time_is_kept_for_what_can_still_change_with_it(self) -> None:
        indexes = ("event_leases", "event_deadlines", "due_replies")
        leases, deadlines, replies = self.read(
            *(("ZRANGE", key(index), "0", "-1") for index in indexes)
        )
        assert set(leases) == self.ids_where(lambda e: e.status in ("leased", "delayed"))
        assert set(deadlines) == self.ids_where(lambda e: e.status not in FINAL and not e.is_closed)
        assert set(replies) == self.ids_where(lambda e: e.reply == "pending")

    def each_process_holds_what_the_model_says(self) -> None:
        members = self.read(*(("SMEMBERS", key("held", process)) for process in PROCESSES))
        held_now = set.union(*map(entries, PROCESSES, members))
        assert held_now == self.model.held
        live = [event_id for _, event_id, _ in held_now]
        assert len(live) == len(set(live))

    def ids_where(self, is_so: Callable[[EventModel], bool]) -> set[str]:
        return {event.event_id for event in self.model.events.values() if is_so(event)}


def held(claim: Claim) -> LeaseRef:
    """Claim an event as the store wants it."""
    return LeaseRef(
        EventId(claim.event_id), LeaseToken(claim.token), Principal(SERVER, claim.principal)
    )


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("anyio_backend")
def test_events_do_what_the_model_does_in_any_order_of_steps(redis_url: str) -> None:
    check(EventMachine, redis_url)

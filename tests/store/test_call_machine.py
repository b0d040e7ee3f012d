"""Calls in any order of steps: the store does what a model in plain Python does."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, initialize, invariant, multiple, rule

from bridge.configuration.server_options import Share
from bridge.models import (
    CallId,
    CallStatus,
    LeaseToken,
    Principal,
    ProcessId,
    new_call_id,
    new_lease_token,
)
from bridge.store.calls import CallStore
from bridge.store.pauses import PauseStore
from bridge.store.runs import Running, RunStore
from tests.store.call_model import OPEN, CallModel, CallsModel, RunClaim
from tests.store.call_records import new_call
from tests.store.machine import StoreMachine, check, entries, key
from tests.store.records import ALICE, BOB, SERVER

PROCESSES = ("worker-1", "worker-2")
TTL_S = 600

processes = st.sampled_from(PROCESSES)
principals = st.sampled_from((ALICE, BOB))


class CallMachine(StoreMachine):
    """Two workers run calls that others cancel; time passes when it is told to."""

    ids: Bundle[str] = Bundle("ids")
    claims: Bundle[RunClaim] = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.model = CallsModel()
        self.final: dict[str, str] = {}
        self.running: dict[RunClaim, Running] = {}
        self.calls = CallStore(self.steps)
        self.pauses = PauseStore(self.steps)
        self.runs = {name: RunStore(self.steps, ProcessId(name)) for name in PROCESSES}
        self.is_shared = False
        self.has_paused = False

    @initialize(target=ids, callers=st.lists(principals, max_size=5), is_shared=st.booleans())
    def begin(self, callers: list[Principal], is_shared: bool) -> MultipleResults[str]:
        self.is_shared = is_shared
        made = [self.create(3, False, True, caller) for caller in callers]
        return multiple(*(call_id for call_id in made if isinstance(call_id, str)))

    @rule(
        target=ids,
        max_attempts=st.sampled_from((1, 2, 3)),
        is_idempotent=st.booleans(),
        is_promised=st.booleans(),
        principal=principals,
    )
    def create(
        self, max_attempts: int, is_idempotent: bool, is_promised: bool, principal: Principal
    ) -> str:
        new = new_call(
            principal,
            call_id=new_call_id(),
            max_attempts=max_attempts,
            idempotent=is_idempotent,
            promised=is_promised,
            ttl_s=TTL_S,
            concurrency=self.model.concurrency,
            share=Share(concurrency=1) if self.is_shared else None,
        )

        async def step() -> tuple[str, bool]:
            call = await self.calls.create(new)
            return call.status, call.attached

        self.model.calls[new.call_id] = CallModel(
            new.call_id,
            max_attempts,
            is_idempotent,
            principal=principal.name,
            has_share=self.is_shared,
            is_promised=is_promised,
        )
        assert self.do(step) == ("queued", False)
        return new.call_id

    @rule(target=claims, process=processes)
    def look_at_all_that_wait(self, process: str) -> MultipleResults[RunClaim]:
        waiting = [call.call_id for call in self.model.calls.values() if call.status == "queued"]
        given = [self.lease(call_id, process) for call_id in waiting]
        return multiple(*(claim for claim in given if isinstance(claim, RunClaim)))

    @rule(target=claims, call_id=ids, process=processes)
    def lease(self, call_id: str, process: str) -> RunClaim | MultipleResults[RunClaim]:
        claim = RunClaim(call_id, new_lease_token())

        async def step() -> int | None:
            running = await self.runs[process].lease(CallId(call_id), LeaseToken(claim.token))
            if running is None:
                return None
            self.running[claim] = running
            return running.call.attempt

        is_given = self.model.lease(call_id, claim.token, process)
        attempt = self.do(step)
        assert attempt == (self.model.calls[call_id].attempt if is_given else None)
        return claim if is_given else multiple()

    @rule(claim=claims)
    def send(self, claim: RunClaim) -> None:
        expected = self.model.send(claim)
        assert self.do(lambda: self.runs["worker-1"].sent(self.running[claim])) == expected

    @rule(claim=claims, status=st.sampled_from((CallStatus.SUCCEEDED, CallStatus.FAILED)))
    def finish(self, claim: RunClaim, status: CallStatus) -> None:
        result = b"1" if status is CallStatus.SUCCEEDED else b""
        expected = self.model.finish(claim, status)
        runs, running = self.runs["worker-1"], self.running[claim]
        assert self.do(lambda: runs.finish(running, status, result=result)) == expected

    @rule(claim=claims, ran=st.booleans())
    def park(self, claim: RunClaim, ran: bool) -> None:
        # Only a call that may run twice, and has an attempt left, is ever parked as one that ran.
        call = self.model.calls[claim.call_id]
        ran = ran and call.is_idempotent and call.attempt < call.max_attempts
        expected = self.model.park(claim, ran=ran)
        runs, running = self.runs["worker-1"], self.running[claim]
        assert (
            self.do_once(lambda: runs.park(running, delay_s=600, ran=ran, failure="")) == expected
        )

    @rule(claim=claims)
    def await_callback(self, claim: RunClaim) -> None:
        expected = self.model.await_callback(claim)
        runs, running = self.runs["worker-1"], self.running[claim]
        assert self.do_once(lambda: runs.await_callback(running, 600)) == expected

    @rule(call_id=ids)
    def cancel(self, call_id: str) -> None:
        expected = self.model.cancel(call_id)
        assert self.do_once(lambda: self.calls.cancel(CallId(call_id), "no more")) == expected

    @rule()
    def pause(self) -> None:
        self.model.is_paused = self.has_paused = True
        self.do_once(lambda: self.pauses.begin(f"{SERVER}/parse", "operator"))

    @rule()
    def resume(self) -> None:
        expected = self.model.resume()
        lift = self.pauses.lift
        assert self.do_once(lambda: lift(f"{SERVER}/parse", SERVER, ["parse"])) == expected

    @rule(call_id=ids)
    def an_operator_takes_a_call_back(self, call_id: str) -> None:
        expected = self.model.take_back(call_id)
        assert self.do_once(lambda: self.pauses.take_back_call(call_id, "operator")) == expected

    @rule(claim=claims)
    def abandon(self, claim: RunClaim) -> None:
        self.model.abandon(claim)
        self.do(lambda: self.runs["worker-2"].abandon(claim.call_id, claim.token))

    @rule(call_id=ids)
    def nobody_waits_any_more(self, call_id: str) -> None:
        self.model.calls[call_id].is_unwaited = True
        self.read(("HSET", key("call", call_id), "waited_at", "1"))
        self.forget_last()

    @rule(call_id=ids)
    def somebody_waits_again(self, call_id: str) -> None:
        self.model.calls[call_id].is_unwaited = False
        self.run(self.calls.read(CallId(call_id), waits=True))
        self.forget_last()

    @rule(call_id=ids)
    def a_result_is_kept_long_enough(self, call_id: str) -> None:
        call = self.model.calls[call_id]
        if call.status not in OPEN:
            call.is_expired, call.result = True, None
            self.read(
                ("HSET", key("call", call_id), "finished_at", "1"), ("DEL", key("result", call_id))
            )
            self.forget_last()

    @rule(call_id=ids)
    def a_call_is_due(self, call_id: str) -> None:
        self.run(self.pass_time("due_calls", call_id))
        self.forget_last()

    @rule()
    def sweep(self) -> None:
        due = self.run(self.runs["worker-1"].sweep(100, 600))
        assert set(due) <= self.ids_that_wait()
        assert self.run(self.runs["worker-1"].sweep(100, 600)) == []

    @invariant()
    def all_is_as_promised(self) -> None:
        self.each_call_is_as_the_model_says()
        self.a_final_status_is_never_left()
        self.what_waits_for_a_worker_is_due_some_day()
        self.each_worker_holds_what_the_model_says()
        self.no_more_run_at_once_than_may()
        self.no_principal_runs_more_than_its_share()

    def each_call_is_as_the_model_says(self) -> None:
        for call_id, expected in self.model.calls.items():
            call = self.run(self.calls.read(CallId(call_id)))
            assert call
            assert call.status == ("expired" if expected.is_expired else expected.status)
            assert (call.attempt, call.sent) == (expected.attempt, expected.is_sent)
            assert call.result == (expected.result and expected.result.encode())
            assert 0 <= call.attempt <= expected.max_attempts

    def a_final_status_is_never_left(self) -> None:
        for call_id, call in self.model.calls.items():
            assert call.status == self.final.get(call_id, call.status)
            if call.status not in OPEN:
                self.final[call_id] = call.status

    def what_waits_for_a_worker_is_due_some_day(self) -> None:
        (due,) = self.read(("ZRANGE", key("due_calls"), "0", "-1"))
        assert set(due) == self.ids_that_wait()

    def each_worker_holds_what_the_model_says(self) -> None:
        members = self.read(*(("SMEMBERS", key("held", process)) for process in PROCESSES))
        held_now = set.union(*map(entries, PROCESSES, members))
        assert held_now == self.model.held
        assert {call_id for _, call_id, _ in held_now} == {
            call.call_id for call in self.model.calls.values() if call.lease
        }

    def no_more_run_at_once_than_may(self) -> None:
        slots, turns = self.read(
            *(("ZRANGE", key(name, SERVER, "parse"), "0", "-1") for name in ("slots", "turns"))
        )
        assert (set(slots), set(turns)) == (self.model.slots, self.model.turns)
        running = {each.call_id for each in self.model.calls.values() if each.status == "running"}
        assert running <= set(slots)
        assert len(slots) <= self.model.concurrency
        assert not turns or self.model.is_paused or len(slots) == self.model.concurrency

    def no_principal_runs_more_than_its_share(self) -> None:
        running = [
            each
            for each in self.model.calls.values()
            if each.status == "running" and each.has_share
        ]
        for principal in (ALICE.name, BOB.name):
            held, line = self.read(
                *(
                    ("ZRANGE", key(name, SERVER, "parse", principal), "0", "-1")
                    for name in ("share_held", "share_line")
                )
            )
            own = {one.call_id for one in self.model.calls.values() if one.principal == principal}
            assert set(held) == self.model.shares & own
            assert set(line) == self.model.share_line & own
            assert {one.call_id for one in running} & own <= set(held)
            assert len(held) <= 1
            assert held or not line or self.has_paused, "nobody waits for what is free"

    def ids_that_wait(self) -> set[str]:
        return {
            call.call_id
            for call in self.model.calls.values()
            if (call.status == "queued" and not call.waits_for_approval)
            or (call.status == "running" and not call.lease)
        }


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("anyio_backend")
def test_calls_do_what_the_model_does_in_any_order_of_steps(redis_url: str) -> None:
    check(CallMachine, redis_url)

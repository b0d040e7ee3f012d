"""Calls that somebody must agree to, in any order of steps, among others that nobody need to."""

import json
from dataclasses import replace

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from bridge.models import CallId, EventId, new_call_id
from bridge.store.again import AgainStore
from bridge.store.approvals import ApprovalStore
from bridge.store.events import EventStore
from bridge.store.new_calls import NewApproval, NewCall
from tests.store.call_model import CallModel, RunClaim
from tests.store.call_records import new_call
from tests.store.machine import check, key
from tests.store.records import ALICE, HOOK, new_event
from tests.store.test_call_machine import TTL_S, CallMachine

DIGEST = "what was seen"
WITHIN_S = 3600


class ApprovalMachine(CallMachine):
    """Some decide about what two workers would run, late or about something else too."""

    def __init__(self) -> None:
        super().__init__()
        self.approvals = ApprovalStore(self.steps)
        self.events = EventStore(self.steps)
        self.again = AgainStore(self.steps)
        self.decided: dict[str, str] = {}

    def guarded(self, attach: str = "", *, asks_hook: bool = False) -> NewCall:
        asks = f"hook {HOOK}" if asks_hook else "console"
        return new_call(
            call_id=new_call_id(),
            ttl_s=TTL_S,
            concurrency=self.model.concurrency,
            promised=True,
            attach=attach,
            attach_for_s=TTL_S,
            to_approve=NewApproval(DIGEST, asks, WITHIN_S),
        )

    def keep(self, new: NewCall, *, asks_hook: bool = False) -> None:
        self.model.calls[new.call_id] = CallModel(
            new.call_id,
            new.max_attempts,
            new.idempotent,
            principal=ALICE.name,
            is_promised=True,
            approval="waiting",
            asks_hook=asks_hook,
            attach=new.attach,
        )

    @rule(
        target=CallMachine.ids,
        attach=st.sampled_from(("", "these", "those")),
        asks_hook=st.booleans(),
    )
    def ask_for_what_must_be_approved(self, attach: str, asks_hook: bool) -> str:
        new, joined = self.guarded(attach, asks_hook=asks_hook), self.model.joined(attach)

        async def step() -> tuple[str | None, str]:
            call = await self.calls.create(new)
            return call.call_id if call.attached else None, call.call_id

        answer = self.run(step())
        self.forget_last()
        assert answer == (joined, joined or new.call_id)
        if not joined:
            self.keep(new, asks_hook=asks_hook)
        return joined or new.call_id

    @rule(target=CallMachine.ids, call_id=CallMachine.ids)
    def run_again(self, call_id: str) -> str:
        new = self.guarded()

        async def step() -> bool:
            return await self.again.call(CallId(call_id), "operator", new, None) is not None

        self.keep(new)
        assert self.do(step)
        return new.call_id

    @rule(call_id=CallMachine.ids, verdict=st.sampled_from(("approved", "refused")))
    def decide(self, call_id: str, verdict: str) -> None:
        self._decide(call_id, verdict, DIGEST)

    @rule(call_id=CallMachine.ids, verdict=st.sampled_from(("approved", "refused")))
    def decide_about_something_else(self, call_id: str, verdict: str) -> None:
        self._decide(call_id, verdict, "what the page of another call showed")

    def _decide(self, call_id: str, verdict: str, digest: str) -> None:
        async def step() -> str:
            call = CallId(call_id)
            if verdict == "approved":
                outcome = await self.approvals.approve(call, digest, "ann", "")
            else:
                outcome = await self.approvals.refuse(call, digest, "ann", "", "refused")
            await self.approvals.settle(call)
            return outcome

        expected = self.model.decide(call_id, verdict, is_of_this=digest == DIGEST)
        assert self.do_once(step) == expected

    @rule(call_id=CallMachine.ids)
    def its_time_to_be_approved_passes(self, call_id: str) -> None:
        call = self.model.calls[call_id]
        if not call.waits_for_approval:
            return
        call.is_late = True
        (kept,) = self.read(("HGET", key("call", call_id), "approval"))
        over = json.loads(kept) | {"within_ms": -1, "asked_at": 1}
        self.read(("HSET", key("call", call_id), "approval", json.dumps(over).replace(": ", ":")))
        self.forget_last()

    @rule()
    def whoever_sweeps_looks_after_them(self) -> None:
        (listed,) = self.read(("ZRANGE", key("approvals"), "0", "-1"))
        for call_id in listed:
            self.run(self.pass_time("approvals", call_id))
        late = self.model.lapse()
        due = self.run(self.approvals.due(100, 600))
        assert {each.call_id for each in due if each.is_over} == late
        assert not any(each.is_decided for each in due)
        for each in due:
            if each.is_over:
                assert self.run(self.approvals.lapse(each.call_id, "nobody did"))
                self.run(self.approvals.settle(each.call_id))
            elif each.event_id:
                self.run(self.approvals.asked(each.call_id, each.event_id))
        self.forget_last()

    @rule(call_id=CallMachine.ids)
    def a_hook_is_asked(self, call_id: str) -> None:
        call = self.model.calls[call_id]
        if not call.asks_hook:
            return
        new = new_event(call_id=CallId(call_id))

        async def step() -> EventId | None:
            event_id = await self.approvals.ask(CallId(call_id), new.event_id)
            if event_id:
                await self.events.accept(replace(new, event_id=event_id))
            return event_id

        event_id = self.do(step)
        if not call.waits_for_approval:
            assert event_id is None
            return
        assert event_id == (call.question or new.event_id)
        call.question = event_id

    @rule(claim=CallMachine.claims)
    def a_worker_holds_what_nobody_has_approved(self, claim: RunClaim) -> None:
        """Hold a call that was made where nobody had to."""
        if self.model.calls[claim.call_id].approval:
            return
        asked = NewApproval(DIGEST, "console", WITHIN_S)
        expected = self.model.hold(claim)
        runs, running = self.runs["worker-1"], self.running[claim]
        assert self.do_once(lambda: runs.hold(running, asked, 1200)) == expected

    @invariant()
    def approvals_are_as_promised(self) -> None:
        self.each_approval_is_as_the_model_says_and_decided_once()
        self.what_waits_is_looked_at_and_nothing_else_is()
        self.a_question_is_open_only_while_its_call_waits()

    def each_approval_is_as_the_model_says_and_decided_once(self) -> None:
        fields = ("approval", "verdict", "status", "sent_at")
        rows = self.read(*(("HMGET", key("call", each), *fields) for each in self.model.calls))
        for expected, row in zip(self.model.calls.values(), rows, strict=True):
            approval, verdict, status, sent_at = row
            stands = json.loads(verdict)["status"] if verdict else "waiting" if approval else ""
            assert stands == expected.approval
            if status == "running" or sent_at:
                assert stands in ("", "approved"), "what nobody has agreed to was begun"
            if verdict:
                assert self.decided.setdefault(expected.call_id, stands) == stands

    def what_waits_is_looked_at_and_nothing_else_is(self) -> None:
        (listed,) = self.read(("ZRANGE", key("approvals"), "0", "-1"))
        assert set(listed) == {
            each.call_id for each in self.model.calls.values() if each.waits_for_approval
        }

    def a_question_is_open_only_while_its_call_waits(self) -> None:
        asked = [each for each in self.model.calls.values() if each.question]
        statuses = self.read(
            *(("HGET", key("event", str(each.question)), "status") for each in asked)
        )
        assert statuses == ["queued" if each.waits_for_approval else "dead" for each in asked]


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("anyio_backend")
def test_calls_that_must_be_approved_do_what_the_model_does(redis_url: str) -> None:
    check(ApprovalMachine, redis_url)

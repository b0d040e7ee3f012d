"""What calls must do, in plain Python: the model that the steps are held against."""

from dataclasses import dataclass, field

OPEN = frozenset({"queued", "running"})


@dataclass(frozen=True)
class RunClaim:
    """A right to run a call that was once given to a worker."""

    call_id: str
    token: str


@dataclass
class CallModel:
    """One call; `lease` is the token of the worker that runs it now.

    With `has_share` its principal may run one such call at once. `approval` says how that stands,
    where somebody must agree to it, and `question` is the event by which a hook is asked.
    """

    call_id: str
    max_attempts: int
    is_idempotent: bool
    principal: str = "alice"
    has_share: bool = False
    status: str = "queued"
    attempt: int = 0
    is_sent: bool = False
    is_unwaited: bool = False
    is_promised: bool = False
    is_awaited: bool = False
    lease: str | None = None
    holder: str = ""
    finished_by: str | None = None
    result: str | None = None
    is_expired: bool = False
    approval: str = ""
    is_late: bool = False
    asks_hook: bool = False
    question: str | None = None
    attach: str = ""

    @property
    def waits_for_approval(self) -> bool:
        """Report whether nothing of it may be sent before somebody agrees."""
        return self.status == "queued" and self.approval == "waiting"


@dataclass
class CallsModel:
    """All calls, and what each worker holds."""

    calls: dict[str, CallModel] = field(default_factory=dict)
    held: set[tuple[str, str, str]] = field(default_factory=set)
    concurrency: int = 2
    slots: set[str] = field(default_factory=set)
    turns: set[str] = field(default_factory=set)
    shares: set[str] = field(default_factory=set)
    share_line: set[str] = field(default_factory=set)
    is_paused: bool = False

    def lease(self, call_id: str, token: str, process: str) -> bool:
        """Have a worker run a call, unless it is not to be run now."""
        call = self.calls[call_id]
        if call.waits_for_approval:
            return False
        is_forgotten = call.is_unwaited and not call.is_promised and not call.is_sent
        if call.status == "queued" and is_forgotten:
            self._end(call, "cancelled")
            return False
        if call.status == "queued" and self.is_paused:
            self._leave(call_id)
            self.turns.add(call_id)
            return False
        if call.status == "queued" and not (self._has_share(call) and self._has_slot(call_id)):
            return False
        if call.status == "queued":
            call.status = "running"
            call.attempt += 1
        elif call.status != "running" or call.lease is not None or not call.is_awaited:
            return False
        call.lease, call.holder = token, process
        self.held.add((process, call_id, token))
        return True

    def send(self, claim: RunClaim) -> bool:
        """Record that bytes leave."""
        call = self.calls[claim.call_id]
        if self._is_mine(call, claim):
            call.is_sent = True
        return self._is_mine(call, claim)

    def finish(self, claim: RunClaim, status: str) -> bool:
        """End a call, the first time."""
        call = self.calls[claim.call_id]
        if call.finished_by == claim.token:
            return True
        if not self._is_mine(call, claim):
            return False
        self._end(call, status)
        call.finished_by = claim.token
        call.result = "1" if status == "succeeded" else None
        return True

    def park(self, claim: RunClaim, *, ran: bool) -> bool:
        """Queue a call again."""
        call = self.calls[claim.call_id]
        if not self._is_mine(call, claim):
            return False
        if not ran:
            call.is_sent = False
            call.attempt -= 1
        self._queue(call)
        return True

    def await_callback(self, claim: RunClaim) -> bool:
        """Have a call go on without a worker."""
        call = self.calls[claim.call_id]
        if not self._is_mine(call, claim):
            return False
        self._let_go(call)
        call.is_awaited = True
        return True

    def resume(self) -> bool:
        """Have calls begin again."""
        was_paused, self.is_paused = self.is_paused, False
        self._admit()
        return was_paused

    def decide(self, call_id: str, verdict: str, *, is_of_this: bool) -> str:
        """Approve of a call or refuse it: `done`, or why not."""
        call = self.calls[call_id]
        if not call.approval:
            return "none"
        if call.approval != "waiting":
            return call.approval
        if call.status != "queued":
            return "ended"
        if not is_of_this or call.is_late:
            return "late" if is_of_this else "changed"
        call.approval = verdict
        if verdict == "refused":
            self._end(call, "failed")
        return "done"

    def lapse(self) -> set[str]:
        """End the calls whose time to be approved is over; names them."""
        late = {each.call_id for each in self.calls.values() if each.waits_for_approval}
        late = {call_id for call_id in late if self.calls[call_id].is_late}
        for call_id in late:
            self.calls[call_id].approval = "expired"
            self._end(self.calls[call_id], "failed")
        return late

    def hold(self, claim: RunClaim) -> bool:
        """Have a running call wait for its approval that was begun without."""
        call = self.calls[claim.call_id]
        if not self._is_mine(call, claim):
            return False
        call.approval, call.is_sent, call.is_promised = "waiting", False, True
        call.attempt -= 1
        self._queue(call)
        return True

    def joined(self, attach: str) -> str | None:
        """Return the call that a new one joins by what it has in common with earlier ones."""
        earlier = [each for each in self.calls.values() if each.attach == attach]
        if not attach or not earlier:
            return None
        last = earlier[-1]
        is_kept = not last.is_expired and last.status != "cancelled"
        may = is_kept and last.approval not in ("refused", "expired")
        return last.call_id if last.status in OPEN or may else None

    def take_back(self, call_id: str) -> bool:
        """Queue a running call again that runs nothing twice by it."""
        call = self.calls[call_id]
        is_repeatable = call.is_idempotent and call.attempt < call.max_attempts
        if call.status != "running" or call.is_awaited or (call.is_sent and not is_repeatable):
            return False
        if not call.is_sent:
            call.attempt -= 1
        self._queue(call)
        return True

    def cancel(self, call_id: str) -> bool:
        """End an open call."""
        call = self.calls[call_id]
        if call.status not in OPEN:
            return False
        self._end(call, "cancelled")
        return True

    def abandon(self, claim: RunClaim) -> None:
        """Hand on what a dead worker ran."""
        call = self.calls[claim.call_id]
        if not self._is_mine(call, claim):
            return
        if not call.is_sent:
            call.attempt -= 1
            self._queue(call)
        elif call.is_idempotent and call.attempt < call.max_attempts:
            self._queue(call)
        else:
            self._end(call, "failed")

    def _has_slot(self, call_id: str) -> bool:
        if call_id not in self.slots:
            self.turns.add(call_id)
            self._admit()
        return call_id in self.slots

    def _has_share(self, call: CallModel) -> bool:
        if not call.has_share or call.call_id in self.shares:
            return True
        self.share_line.add(call.call_id)
        self._share_on(call.principal)
        if call.call_id in self.shares:
            return True
        self.slots.discard(call.call_id)
        self.turns.discard(call.call_id)
        self._admit()
        return False

    def _share_on(self, principal: str) -> None:
        """Have the oldest call in a principal's line take its share, if none has that."""
        own = [one for one in self.calls if self.calls[one].principal == principal]
        for one in [one for one in own if one in self.share_line]:
            if not self.shares & set(own):
                self.share_line.discard(one)
                self.shares |= {one} if self.calls[one].status == "queued" else set()

    def _make_room(self, call_id: str) -> None:
        self._leave(call_id)
        self._share_on(self.calls[call_id].principal)
        self._admit()

    def _leave(self, call_id: str) -> None:
        for those in (self.slots, self.turns, self.shares):
            those.discard(call_id)

    def _admit(self) -> None:
        """Return free slots to those who stand in line, the oldest call first."""
        if self.is_paused:
            return
        for call_id in self.calls:
            if call_id in self.turns and len(self.slots) < self.concurrency:
                self.turns.discard(call_id)
                self.slots.add(call_id)

    def _is_mine(self, call: CallModel, claim: RunClaim) -> bool:
        return call.status == "running" and call.lease == claim.token

    def _let_go(self, call: CallModel) -> None:
        self.held.discard((call.holder, call.call_id, call.lease or ""))
        call.lease = None

    def _queue(self, call: CallModel) -> None:
        self._let_go(call)
        call.status = "queued"
        self._make_room(call.call_id)

    def _end(self, call: CallModel, status: str) -> None:
        self._let_go(call)
        call.status = status
        self._make_room(call.call_id)

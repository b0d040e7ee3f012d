"""Calls on record as they are run: leased by a worker, sent, and ended."""

import asyncio
import math
from dataclasses import dataclass
from typing import NamedTuple

from bridge.models import Call, CallId, CallStatus, LeaseToken, ProcessId
from bridge.store.calls import CallRow, OutcomeRow, pack, passed_on, read_call
from bridge.store.new_calls import NewApproval
from bridge.store.steps import Steps, step

UNWAITED_S = 60.0
"""A call that was not sent and for which nobody has waited for so long is cancelled."""

LOOK_AGAIN_S = 10.0
"""A call that waits for its turn is looked at again so soon, and later the longer its line is."""

ANNOUNCE_EVERY_S = 1.0

INTERRUPTED = "interrupted after it was sent; it may have run"
UNWANTED = "nobody waited for it any more, so it was never sent"


@dataclass(frozen=True, slots=True)
class Running:
    """A worker's right to run one call; `began_at` is its first attempt, on the loop's clock.

    `secret` is what proves a callback to be the call's own, `is_sent` says that it is on record as
    sent under this very lease. `asker` is what its workflow is told of who asks beside the
    principal, as JSON, empty for nothing.
    """

    call: Call
    token: LeaseToken
    began_at: float
    secret: str
    is_sent: bool
    asker: str = ""

    @property
    def elapsed_s(self) -> float:
        """How long ago the first attempt began."""
        return asyncio.get_running_loop().time() - self.began_at


@dataclass(frozen=True)
class AskedRow:
    """What a call must be approved for that was begun without."""

    approval: str
    approval_ms: int
    timeout_ms: int


class RunRow(NamedTuple):
    """A call as its worker gets it; `elapsed_ms` is how long ago its first attempt began.

    `lacks` says why it is not to be run as it is: an `approval`, `wanting`, `resuming` (its
    workflow is paused), a part of its principal's `share`, its `turn` or a `place`.
    """

    lacks: str
    is_sent: bool
    elapsed_ms: int
    secret: str
    asker: str | None
    call: CallRow


@step("runs.lease")
async def _lease(
    steps: Steps,
    *,
    call_id: CallId,
    token: LeaseToken,
    process: ProcessId,
    unwaited_ms: int,
    places: int,
    sends: bool,
) -> RunRow | None:
    """Take a call to run it."""


@step("outcomes.drop")
async def _drop(steps: Steps, *, call_id: CallId, failure: str) -> OutcomeRow:
    """Cancel a call that nobody waits for."""


@step("resting.take")
async def _rest(steps: Steps, *, call_id: CallId, look_again_ms: int) -> int:
    """Have a call rest while its workflow is paused: in how many milliseconds it is due again."""


@step("shares.take")
async def _take_share(steps: Steps, *, call_id: CallId, look_again_ms: int) -> int:
    """Have a call take a part of its principal's share, or wait for one, likewise."""


@step("turns.take")
async def _take_turn(steps: Steps, *, call_id: CallId, look_again_ms: int) -> int:
    """Have a call take its turn, or wait for it: in how many milliseconds it is due again."""


@step("places.take")
async def _take_place(steps: Steps, *, call_id: CallId, look_again_ms: int) -> int:
    """Have a call take a place, or wait for one, likewise."""


_TAKE = {"resuming": _rest, "share": _take_share, "turn": _take_turn, "place": _take_place}
"""What has a call take what it lacks, or wait for it."""


@step("places.announce")
async def _announce(steps: Steps, *, process: ProcessId, count: int) -> None:
    """Record how many calls a worker may run at once."""


@step("runs.sent")
async def _sent(steps: Steps, *, call_id: CallId, token: LeaseToken) -> bool:
    """Record that bytes are about to leave."""


@step("runs.executes")
async def _executes(steps: Steps, *, call_id: CallId, token: LeaseToken, execution: str) -> bool:
    """Record n8n's id of the run."""


@step("outcomes.finish")
async def _finish(
    steps: Steps,
    *,
    call_id: CallId,
    token: LeaseToken,
    status: CallStatus,
    result: bytes,
    file: bytes,
    failure: str,
    blame: str,
) -> OutcomeRow:
    """End a call for good."""


@step("outcomes.park")
async def _park(
    steps: Steps, *, call_id: CallId, token: LeaseToken, delay_ms: int, ran: bool, failure: str
) -> OutcomeRow:
    """Queue a call again after a while."""


@step("verdicts.hold")
async def _hold(steps: Steps, *, call_id: CallId, token: LeaseToken, new: AskedRow) -> OutcomeRow:
    """Have a running call wait for its approval."""


@step("runs.await_callback")
async def _await_callback(
    steps: Steps, *, call_id: CallId, token: LeaseToken, delay_ms: int
) -> OutcomeRow:
    """Let a call go on without a worker."""


@step("outcomes.abandon")
async def _abandon(steps: Steps, *, call_id: str, token: str, failure: str) -> OutcomeRow:
    """Let others have a dead worker's call, or fail it."""


@step("runs.sweep")
async def _sweep(steps: Steps, *, limit: int, again_ms: int) -> list[str]:
    """Name the calls that are due."""


class RunStore:
    """Speaks Redis for calls that are being run."""

    def __init__(self, steps: Steps, process: ProcessId) -> None:
        self._steps = steps
        self._process = process
        self.places = 0
        """How many calls this process may run at once, told once by whoever runs them."""
        self._announce_at = -math.inf

    async def lease(
        self, call_id: CallId, token: LeaseToken, *, sends: bool = False
    ) -> Running | None:
        """Take a queued call to run it; None when it is not to be run now.

        A call for which no worker has a place stands in line for one, in fair turn. One whose
        workflow runs as often as it may stands in line too: the one that came first is due as soon
        as another ends. One whose workflow has a rate is given the next moment that is free, keeps
        it, and is due then. One whose principal has all of its share stands in a line of its own.
        One whose workflow is paused rests. With `sends` it is on record as sent in the same step.
        """
        await self._announced()
        while row := await self._leased(call_id, token, sends=sends):
            if not row.lacks:
                began_at = asyncio.get_running_loop().time() - row.elapsed_ms / 1000
                known = (row.secret, row.is_sent, row.asker or "")
                return Running(row.call.call(), token, began_at, *known)
            if not await self._may_have(row.lacks, call_id):
                return None
        return None

    async def _leased(self, call_id: CallId, token: LeaseToken, *, sends: bool) -> RunRow | None:
        return await _lease(
            self._steps,
            call_id=call_id,
            token=token,
            process=self._process,
            unwaited_ms=round(UNWAITED_S * 1000),
            places=self.places,
            sends=sends,
        )

    async def _may_have(self, lacks: str, call_id: CallId) -> bool:
        """Have a call take what it lacks; False where it waits for that, or is not wanted."""
        if lacks == "approval":
            return False
        if lacks == "wanting":
            left = await _drop(self._steps, call_id=call_id, failure=UNWANTED)
            await passed_on(self._steps, call_id, left)
            return False
        take = _TAKE[lacks]
        again_ms = round(LOOK_AGAIN_S * 1000)
        return not await take(self._steps, call_id=call_id, look_again_ms=again_ms)

    async def _announced(self) -> None:
        """Have on record, anew now and then, how many calls this process may run."""
        now = asyncio.get_running_loop().time()
        if self.places and now >= self._announce_at:
            self._announce_at = now + ANNOUNCE_EVERY_S
            await _announce(self._steps, process=self._process, count=self.places)

    async def sent(self, running: Running) -> bool:
        """Record that bytes are about to leave; False: the call is no longer ours."""
        if running.is_sent:
            return True
        return await _sent(self._steps, call_id=running.call.call_id, token=running.token)

    async def executes(self, running: Running, execution: str) -> bool:
        """Record n8n's id of the run, so that others can follow it; False: not ours now."""
        return await _executes(
            self._steps, call_id=running.call.call_id, token=running.token, execution=execution
        )

    async def finish(
        self,
        running: Running,
        status: CallStatus,
        *,
        result: bytes = b"",
        file: bytes = b"",
        failure: str = "",
        is_bridge_fault: bool = False,
    ) -> bool:
        """End a call for good; False: it was cancelled or taken over, and nothing changed."""
        left = await _finish(
            self._steps,
            call_id=running.call.call_id,
            token=running.token,
            status=status,
            result=pack(result),
            file=file,
            failure=failure,
            blame="bridge" if is_bridge_fault else "",
        )
        return await passed_on(self._steps, running.call.call_id, left)

    async def park(self, running: Running, *, delay_s: float, ran: bool, failure: str) -> bool:
        """Queue a call again after `delay_s`; one that surely did not run costs no attempt."""
        left = await _park(
            self._steps,
            call_id=running.call.call_id,
            token=running.token,
            delay_ms=round(delay_s * 1000),
            ran=ran,
            failure=failure,
        )
        return await passed_on(self._steps, running.call.call_id, left)

    async def hold(self, running: Running, approval: NewApproval, timeout_s: float) -> bool:
        """Have a call wait for its approval that was begun without; False: it is not ours now."""
        asked = AskedRow(approval.kept, approval.within_ms, round(timeout_s * 1000))
        call_id = running.call.call_id
        left = await _hold(self._steps, call_id=call_id, token=running.token, new=asked)
        return await passed_on(self._steps, call_id, left)

    async def await_callback(self, running: Running, within_s: float) -> bool:
        """Let the call go on without a worker until it is concluded, or due again."""
        left = await _await_callback(
            self._steps,
            call_id=running.call.call_id,
            token=running.token,
            delay_ms=round(within_s * 1000),
        )
        return await passed_on(self._steps, running.call.call_id, left)

    async def abandon(self, call_id: str, token: str) -> None:
        """Let others have a dead worker's call; it fails if it may have run and must not twice."""
        left = await _abandon(self._steps, call_id=call_id, token=token, failure=INTERRUPTED)
        await passed_on(self._steps, call_id, left)

    async def sweep(self, limit: int, again_s: float) -> list[str]:
        """Name the queued calls that are due; they are due again after `again_s`."""
        return await _sweep(self._steps, limit=limit, again_ms=round(again_s * 1000))

    async def status(self, call_id: CallId) -> CallStatus | None:
        """Read only how a call stands."""
        row = await read_call(self._steps, call_id=call_id)
        return row.status if row else None

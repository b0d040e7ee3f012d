"""Calls on record as they are run: typed faces of the worker's steps."""

import asyncio
from dataclasses import dataclass

from bridge.models import Call, CallId, CallStatus, LeaseToken, ProcessId
from bridge.store import run_steps as step
from bridge.store.call_steps import READ
from bridge.store.calls import call_of, pack
from bridge.store.steps import Steps

UNWAITED_S = 60.0
"""A call that was not sent and for which nobody has waited for so long is cancelled."""

LOOK_AGAIN_S = 10.0
"""A call that waits for its turn is looked at again so soon, and later the longer its line is."""

INTERRUPTED = "interrupted after it was sent; it may have run"


@dataclass(frozen=True)
class Running:
    """A worker's right to run one call; `began_at` is its first attempt, on the loop's clock.

    `secret` is what proves a callback to be the call's own.
    """

    call: Call
    token: LeaseToken
    began_at: float
    secret: str

    @property
    def elapsed_s(self) -> float:
        """How long ago the first attempt began."""
        return asyncio.get_running_loop().time() - self.began_at


class RunStore:
    """Speaks Redis for calls that are being run."""

    def __init__(self, steps: Steps, process: ProcessId) -> None:
        self._steps = steps
        self._process = process
        self.places = 0
        """How many calls this process may run at once, told once by whoever runs them."""

    async def lease(self, call_id: CallId, token: LeaseToken) -> Running | None:
        """Take a queued call to run it, or get None when it is not to be run now.

        A call for which no worker has a place gets in line for one, in fair turn. One whose workflow runs as often as it may gets in line: the one that has stood there
        longest is due as soon as another ends. One whose workflow has a rate is given the next
        moment that is free, keeps it, and is due then.
        """
        found = await self._steps.run(
            step.LEASE,
            id=call_id,
            token=token,
            process=self._process,
            unwaited_ms=round(UNWAITED_S * 1000),
            look_again_ms=round(LOOK_AGAIN_S * 1000),
            places=self.places,
        )
        if not found:
            return None
        began_at = asyncio.get_running_loop().time() - int(found[0]) / 1000
        return Running(call_of(found[1]), token, began_at, found[2].decode())

    async def sent(self, running: Running) -> bool:
        """Put on record that bytes are about to leave; False: the call is no longer ours."""
        answer = await self._steps.run(step.SENT, id=running.call.call_id, token=running.token)
        return answer == [b"held"]

    async def executes(self, running: Running, execution: str) -> bool:
        """Put n8n's id of the run on record, so that others can follow it; False: not ours now."""
        answer = await self._steps.run(
            step.EXECUTES, id=running.call.call_id, token=running.token, execution=execution
        )
        return answer == [b"held"]

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
        answer = await self._steps.run(
            step.FINISH,
            id=running.call.call_id,
            token=running.token,
            status=status,
            result=pack(result),
            file=file,
            failure=failure,
            blame="bridge" if is_bridge_fault else "",
        )
        return bool(answer[0] == b"finished")

    async def park(self, running: Running, *, delay_s: float, ran: bool, failure: str) -> bool:
        """Queue a call again after `delay_s`; one that surely did not run costs no attempt."""
        answer = await self._steps.run(
            step.PARK,
            id=running.call.call_id,
            token=running.token,
            delay_ms=round(delay_s * 1000),
            ran=int(ran),
            failure=failure,
        )
        return answer == [b"parked"]

    async def await_callback(self, running: Running, within_s: float) -> bool:
        """Let the call go on without a worker until it is concluded, or due again."""
        answer = await self._steps.run(
            step.AWAIT,
            id=running.call.call_id,
            token=running.token,
            delay_ms=round(within_s * 1000),
        )
        return answer == [b"awaited"]

    async def abandon(self, call_id: str, token: str) -> None:
        """Return a dead worker's call to others, or fail it when it may have run and must not twice."""
        await self._steps.run(step.ABANDON, id=call_id, token=token, failure=INTERRUPTED)

    async def sweep(self, limit: int, again_s: float) -> list[str]:
        """Name the queued calls that are due; they are due again after `again_s`."""
        due = await self._steps.run(step.SWEEP, limit=limit, again_ms=round(again_s * 1000))
        return [call_id.decode() for call_id in due]

    async def status(self, call_id: CallId) -> CallStatus | None:
        """Read only how a call stands."""
        found = await self._steps.run(READ, id=call_id, wants_result=0, waits=0)
        return call_of(found[0]).status if found else None

"""Calls to begin a test with, at any point of their lives."""

from dataclasses import replace
from typing import Any

from bridge.models import Call, Principal, new_call_id, new_lease_token
from bridge.store.new_calls import NewCall
from bridge.store.runs import Running
from tests.store.records import ALICE, Desk


def new_call(principal: Principal = ALICE, **changes: Any) -> NewCall:
    """Describe a call; `changes` name what shall differ."""
    usual: dict[str, Any] = {
        "call_id": new_call_id(),
        "principal": principal,
        "workflow": "parse",
        "arguments": b'{"n": 1}',
        "max_attempts": 3,
        "idempotent": False,
        "ttl_s": 600,
    }
    return NewCall(**(usual | changes))


async def run(web: Desk, **changes: Any) -> Running:
    """Have a call that runs but was not sent yet."""
    call = await web.calls.create(new_call(**changes))
    running = await web.runs.lease(call.call_id, new_lease_token())
    assert running
    return running


async def run_sent(web: Desk, **changes: Any) -> Running:
    """Have a call that was sent."""
    running = await run(web, **changes)
    assert await web.runs.sent(running)
    return running


async def again(web: Desk, running: Running) -> Running:
    """Take a queued call to run it once more."""
    found = await web.runs.lease(running.call.call_id, new_lease_token())
    assert found
    return found


async def now(web: Desk, running: Running) -> Call:
    """Read a call as it is now."""
    call = await web.calls.read(running.call.call_id)
    assert call
    return call


def ageless(*calls: Call | None) -> list[Call | None]:
    """Return calls without what changes by itself."""
    return [call and replace(call, age_ms=0) for call in calls]

"""Pausing: what becomes of what was begun, and which places there are."""

import asyncio

import pytest

from bridge.errors import ConflictError, NotFoundError
from bridge.models import CallId, CallStatus, new_lease_token
from bridge.runtime import Runtime
from bridge.verbs.pausing import Begun, Paused
from tests.verbs.desk import ALICE, DESK, send, start, take
from tests.verbs.n8n import N8n, Silent
from tests.waiting import wait_until

SERVERS = {DESK.name: DESK}


async def pause(runtime: Runtime, place: str, begun: Begun = Begun.FINISH) -> Paused:
    return await runtime.web.operators.pausing.pause(place, "operator", begun, SERVERS)


async def status(runtime: Runtime, call_id: CallId) -> CallStatus:
    return (await runtime.mcp.calls.wait(call_id, ALICE, 0)).status


async def running(worker: Runtime, workflow: str, *, is_sent: bool) -> CallId:
    """Have a call of a workflow run."""
    call = await start(worker, workflow)
    found = await worker.stores.runs.lease(call.call_id, new_lease_token(), sends=is_sent)
    assert found
    return call.call_id


@pytest.mark.parametrize(
    ("begun", "statuses", "counts"),
    [
        (Begun.FINISH, ("running", "running", "leased"), (0, 0, 3)),
        (Begun.RELEASE, ("running", "queued", "queued"), (2, 0, 1)),
        (Begun.CANCEL, ("cancelled", "cancelled", "queued"), (1, 2, 0)),
    ],
)
async def test_what_was_begun_goes_on_goes_back_or_ends_as_is_asked(
    web: Runtime,
    worker: Runtime,
    begun: Begun,
    statuses: tuple[str, str, str],
    counts: tuple[int, int, int],
) -> None:
    event_id = await send(web)
    assert await take(web)
    once, again = [await running(worker, name, is_sent=True) for name in ("stamp", "twice")]
    waiting = await start(web, other=True)

    paused = await pause(web, "desk", begun)

    assert (paused.released, paused.cancelled, paused.go_on) == counts
    event = await web.web.events.find("desk", event_id)
    assert (await status(web, once), await status(web, again), event.status) == statuses
    assert await status(web, waiting.call_id) == "queued"


async def test_a_worker_leaves_a_call_that_an_operator_takes_back(
    web: Runtime, worker: Runtime
) -> None:
    call, n8n = await start(web, "twice"), Silent()
    work = asyncio.create_task(worker.workers.runs.run(call.call_id, n8n, N8n().look))
    await wait_until(lambda: n8n.asked, "the call is sent")
    await pause(web, "desk/twice", Begun.RELEASE)
    await asyncio.wait_for(work, 20)
    assert await status(web, call.call_id) == "queued"


async def test_a_call_that_waits_is_run_once_it_is_resumed(web: Runtime, worker: Runtime) -> None:
    await pause(web, "desk/stamp")
    call, n8n = await start(web), N8n()
    await worker.workers.runs.run(call.call_id, n8n, n8n.look)
    assert (n8n.asked, await status(web, call.call_id)) == ([], "queued")

    await web.web.operators.pausing.resume("desk/stamp", SERVERS)
    assert await web.stores.runs.sweep(10, 10) == [call.call_id]


async def test_who_waits_in_line_is_served_when_the_hook_is_resumed(web: Runtime) -> None:
    await pause(web, "desk")
    waiting = asyncio.create_task(take(web, wait_s=30))
    event_id = await send(web)
    await asyncio.wait({waiting}, timeout=0.1)
    assert not waiting.done()
    await web.web.operators.pausing.resume("desk", SERVERS)
    taken = await asyncio.wait_for(waiting, 4)
    assert taken
    assert taken.event.event_id == event_id


async def test_only_places_that_there_are_are_paused_and_only_paused_ones_resumed(
    web: Runtime,
) -> None:
    with pytest.raises(NotFoundError, match="no server shop; there are: desk"):
        await pause(web, "shop")
    with pytest.raises(NotFoundError, match="no hook or workflow  in desk; there are: alarm"):
        await pause(web, "desk/")
    with pytest.raises(NotFoundError, match="no hook or workflow none in desk; there are: alarm"):
        await pause(web, "desk/none")
    await pause(web, "desk")
    with pytest.raises(ConflictError, match="desk/stamp is paused with all of its server"):
        await web.web.operators.pausing.resume("desk/stamp", SERVERS)
    with pytest.raises(ConflictError, match="shop is not paused; paused is: desk"):
        await web.web.operators.pausing.resume("shop", SERVERS)

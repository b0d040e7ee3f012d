"""Running again as new: a record of its own, which names the earlier one and is named by it."""

import pytest

from bridge.configuration.servers import Server
from bridge.errors import InvalidError, NotFoundError
from bridge.formats.payloads import Content
from bridge.models import Body, CallStatus, EventStatus, Json, ReplyStatus
from bridge.n8n.outcomes import Answered
from bridge.runtime import Runtime
from tests.verbs.desk import ADDRESS, ALICE, DESK, send, start, take
from tests.verbs.n8n import N8n

SERVERS = {DESK.name: DESK}
TTL_S = 600
STRICT = Server.model_validate(
    {
        "name": "desk",
        "hooks": {"letter": {"auth": {"bearer": "hook"}, "payload": {"required": ["from"]}}},
        "workflows": {
            "stamp": {
                "url": "http://n8n:5678/webhook/stamp",
                "input": {"type": "object", "required": ["n"]},
            }
        },
    }
)
"""What became of the server's file since."""


async def moments(runtime: Runtime, record_id: str) -> dict[str, dict[str, Json]]:
    """Read what there is to say of each thing that happened to a record."""
    operators = runtime.web.operators
    is_call = record_id.startswith("call_")
    _, timeline = await (operators.call(record_id) if is_call else operators.event(record_id))
    return {moment.what: moment.said for moment in timeline.moments}


async def test_a_call_is_run_again_for_its_principal_and_both_name_each_other(
    web: Runtime, worker: Runtime
) -> None:
    earlier, n8n = await start(web, n=1), N8n(Answered({"b": 2}))
    await worker.workers.runs.run(earlier.call_id, N8n(Answered({"a": 1})), n8n.look)

    call = await web.web.running_again.run_call(earlier.call_id, "ann", SERVERS, TTL_S)
    assert call.call_id != earlier.call_id
    assert (call.principal, call.workflow, call.status) == (ALICE, "stamp", CallStatus.QUEUED)
    await web.redis.hset(f"{{bridge}}:call:{call.call_id}", "waited_at", "1")
    await worker.workers.runs.run(call.call_id, n8n, n8n.look)
    assert n8n.asked[0].arguments == {"n": 1}
    ended = await web.mcp.calls.wait(call.call_id, ALICE, 0)
    assert ended.result == b'{"b": 2}'
    assert (await moments(web, earlier.call_id))["run_again"] == {"as": call.call_id, "by": "ann"}
    assert (await moments(web, call.call_id))["runs_again"] == {"by": "ann", "of": earlier.call_id}


async def test_a_call_that_is_run_again_wakes_a_worker_and_is_joined_by_none(web: Runtime) -> None:
    earlier = await start(web, n=1)
    call = await web.web.running_again.run_call(earlier.call_id, "ann", SERVERS, TTL_S)
    assert await web.workers.queue.length() == 2
    assert (await start(web, n=1)).call_id == earlier.call_id
    assert call.call_id != earlier.call_id


async def test_arguments_are_edited_and_checked_against_todays_schema(web: Runtime) -> None:
    earlier, again = await start(web, other=True), web.web.running_again
    with pytest.raises(InvalidError, match="arguments break this tool's input schema"):
        await again.run_call(earlier.call_id, "ann", {"desk": STRICT}, TTL_S)
    call = await again.run_call(earlier.call_id, "ann", {"desk": STRICT}, TTL_S, {"n": 2})
    assert call.arguments == b'{"n": 2}'


async def test_what_is_gone_is_not_run_again(web: Runtime) -> None:
    call, event_id, again = await start(web), await send(web), web.web.running_again
    with pytest.raises(NotFoundError, match="no server file has the workflow desk/stamp any more"):
        await again.run_call(call.call_id, "ann", {}, TTL_S)
    with pytest.raises(NotFoundError, match="no server file has the hook desk/letter any more"):
        await again.run_event(event_id, "ann", {})
    with pytest.raises(NotFoundError, match="no such call"):
        await again.run_call("call_none", "ann", SERVERS, TTL_S)
    with pytest.raises(NotFoundError, match="no such event"):
        await again.run_event("evt_none", "ann", SERVERS)


async def test_a_payload_comes_again_as_an_event_of_its_own_that_n8n_does_not_wait_for(
    web: Runtime,
) -> None:
    event_id = await send(web, reply_url=ADDRESS)
    first = await take(web)
    event = await web.web.running_again.run_event(event_id, "ann", SERVERS)
    second = await take(web)
    assert first
    assert second
    assert (event.status, second.event.event_id) == (EventStatus.QUEUED, event.event_id)
    assert second.payload == first.payload
    assert not await web.redis.hget(f"{{bridge}}:reply:{event.event_id}", "url")
    assert (await moments(web, event_id))["run_again"] == {"as": event.event_id, "by": "ann"}
    assert (await moments(web, event.event_id))["runs_again"] == {"by": "ann", "of": event_id}


async def test_a_payload_is_edited_and_checked_against_todays_schema(web: Runtime) -> None:
    event_id, again = await send(web), web.web.running_again
    with pytest.raises(InvalidError, match="the payload breaks this hook's schema"):
        await again.run_event(event_id, "ann", {"desk": STRICT})
    content = Content({"from": "a"}, Body(b'{"from": "a"}', "application/json"))
    await again.run_event(event_id, "ann", {"desk": STRICT}, content)
    payloads = [taken.payload for taken in [await take(web), await take(web)] if taken]
    assert payloads == [{}, {"from": "a"}]


async def test_an_operator_ends_the_time_of_an_event_and_takes_one_back(web: Runtime) -> None:
    operators = web.web.operators
    event_id = await send(web)
    assert await take(web)
    assert await operators.release(event_id, "ann") == EventStatus.QUEUED
    assert await operators.expire(event_id) == (EventStatus.EXPIRED, ReplyStatus.NONE)
    event, _ = await operators.event(event_id)
    assert event.reason == "expired by an operator"

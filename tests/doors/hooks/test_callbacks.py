"""Callbacks: what a running workflow may say of its own call, and what nobody else may."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from bridge.configuration.servers import Server
from bridge.formats.json_text import encode
from bridge.models import Call, CallStatus, Principal, new_call_id, new_lease_token
from bridge.store.runs import Running
from bridge.verbs.calls import CallRequest
from tests.apps import RunningApp, running_app

ALICE = Principal("tools", "alice")
KEY = "the key that n8n asks for"
TOOLS = Server.model_validate(
    {
        "name": "tools",
        "workflows": {
            "render": {
                "url": "http://n8n:5678/webhook/render",
                "description": "Renders a page.",
                "input": {"type": "object"},
                "output": {"type": "object", "required": ["page"]},
                "auth": {"header": {"name": "X-Key", "value": KEY}},
                "result": "callback",
            }
        },
    }
)


@pytest.fixture
async def door(redis_url: str) -> AsyncIterator[RunningApp]:
    async with running_app(redis_url, TOOLS) as running:
        yield running


async def run(door: RunningApp) -> Running:
    """Start a call and take it as a worker would."""
    asked = CallRequest(ALICE, TOOLS.workflows["render"], {}, new_call_id())
    call = await door.runtime.mcp.calls.start(asked)
    running = await door.runtime.stores.runs.lease(call.call_id, new_lease_token())
    assert running is not None
    return running


async def tell(
    door: RunningApp, running: Running, said: object, secret: str = ""
) -> tuple[int, str]:
    response = await door.client.post(
        f"/callbacks/{running.call.call_id}",
        params={"token": secret or running.secret},
        content=encode(said),
    )
    return response.status_code, response.text


async def read(door: RunningApp, running: Running) -> Call:
    return await door.runtime.mcp.calls.wait(running.call.call_id, ALICE, 0)


async def test_progress_may_have_more_digits_than_a_float(door: RunningApp) -> None:
    running = await run(door)
    said = {"progress": Decimal("0.123456789012345678901234567890")}
    assert (await tell(door, running, said))[0] == 200


async def test_progress_is_what_the_caller_reads_next(door: RunningApp) -> None:
    running = await run(door)

    assert await tell(door, running, {"progress": 0.4, "message": "half"}) == (
        200,
        '{"status":"running"}',
    )

    call = await read(door, running)
    assert (call.progress, call.message) == (0.4, "half")


async def test_a_progress_message_and_the_timeline_hold_none_of_the_calls_secrets(
    door: RunningApp,
) -> None:
    running = await run(door)
    echoed = f"posting with {KEY} to ?token={running.secret}"

    await tell(door, running, {"progress": 0.4, "message": echoed})

    assert (await read(door, running)).message == "posting with [secret] to ?token=[secret]"
    _, timeline = await door.runtime.web.operators.call(running.call.call_id)
    assert timeline.moments[-1].said["message"] == "posting with [secret] to ?token=[secret]"


async def test_a_result_ends_the_call_and_may_be_told_again(door: RunningApp) -> None:
    running = await run(door)
    said = {"result": {"page": f"with {KEY} in it"}}

    told = [await tell(door, running, said) for _ in range(2)]

    assert told == [(200, '{"status":"succeeded"}')] * 2
    call = await read(door, running)
    assert json.loads(call.result or b"") == {"page": "with [secret] in it"}


async def test_another_end_after_the_end_is_a_conflict(door: RunningApp) -> None:
    running = await run(door)
    await tell(door, running, {"result": {"page": "1"}})

    statuses = [
        (await tell(door, running, said))[0]
        for said in ({"result": {"page": "2"}}, {"failure": "no"}, {"progress": 1})
    ]

    assert statuses == [409, 409, 409]


async def test_a_failure_ends_the_call_with_its_reason(door: RunningApp) -> None:
    running = await run(door)

    await tell(door, running, {"failure": "the printer burns"})

    call = await read(door, running)
    assert (call.status, call.failure) == (CallStatus.FAILED, "the printer burns")


async def test_a_wrong_token_and_an_unknown_call_are_answered_alike(door: RunningApp) -> None:
    running = await run(door)
    wrong = [
        await tell(door, running, said, secret="wrong")
        for said in ({"progress": 0.1}, {"result": 1}, {"failure": "x"})
    ]
    response = await door.client.post("/callbacks/call_unknown?token=x", content=b'{"result":1}')

    assert {status for status, _ in wrong} == {404}
    assert {body for _, body in wrong} == {response.text}
    assert (await read(door, running)).status is CallStatus.RUNNING


@pytest.mark.parametrize(
    "said",
    [{}, [], {"progress": 2}, {"progress": 0.1, "result": 1}, {"message": "m"}, {"failure": ""}],
)
async def test_anything_but_one_of_the_three_is_refused_and_changes_nothing(
    door: RunningApp, said: object
) -> None:
    running = await run(door)

    assert (await tell(door, running, said))[0] == 422
    assert (await read(door, running)).updated_at_ms == running.call.updated_at_ms


async def test_a_result_that_breaks_the_output_schema_is_refused(door: RunningApp) -> None:
    running = await run(door)

    status, body = await tell(door, running, {"result": {}})

    assert status == 422
    assert json.loads(body)["errors"] == [{"pointer": "/page", "detail": "is required"}]


async def test_a_late_finish_of_the_worker_after_the_callback_changes_nothing(
    door: RunningApp,
) -> None:
    running = await run(door)
    await tell(door, running, {"result": {"page": "1"}})

    assert not await door.runtime.stores.runs.finish(running, CallStatus.FAILED, failure="late")
    assert (await read(door, running)).status is CallStatus.SUCCEEDED


async def test_what_is_no_json_is_no_callback(door: RunningApp) -> None:
    running = await run(door)

    response = await door.client.post(
        f"/callbacks/{running.call.call_id}", params={"token": running.secret}, content=b"{half"
    )

    assert response.status_code == 422

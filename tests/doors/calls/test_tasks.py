"""The Tasks extension: what a client that takes tasks gets, and what nobody else does."""

import itertools
import logging
from collections.abc import AsyncIterator

import pytest
from mcp_types import CLIENT_CAPABILITIES_META_KEY
from redis.asyncio import Redis

from bridge.mcp.workflow_tools import ATTACHED_META_KEY, EXPIRED, TASKS_EXTENSION
from tests.doors.by_hand import BOB, Message, call, open_session, request
from tests.doors.workshop import NAME, TAKES_TASKS, TASK_METHODS, Workshop, open_workshop
from tests.waiting import wait_until

UNKNOWN = "call_of_nobody"


@pytest.fixture
async def workshop(redis_url: str) -> AsyncIterator[Workshop]:
    async with open_workshop(redis_url) as opened:
        yield opened


# Whether there is a task


async def test_a_client_that_takes_tasks_gets_one_before_the_work_is_done(
    workshop: Workshop,
) -> None:
    answer = await workshop.client().post(call("wait"))
    task = answer.json()["result"]
    assert task["resultType"] == "task"
    assert task["status"] == "working"
    assert task["createdAt"].endswith("Z")
    assert task["createdAt"] <= task["lastUpdatedAt"]
    assert task["ttlMs"] == 7 * 86400 * 1000
    assert task["pollIntervalMs"] > 0
    assert not {"result", "error", "inputRequests", "requestState"} & task.keys()


async def test_a_task_can_be_read_at_any_process_as_soon_as_it_was_told(workshop: Workshop) -> None:
    task_id = await workshop.start("wait")
    found = await workshop.ask("tasks/get", task_id, other=True)
    assert found["result"]["taskId"] == task_id
    assert found["result"]["status"] == "working"


async def test_a_task_of_an_earlier_call_says_so_and_is_on_record_by_its_id(
    workshop: Workshop, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "audit"):
        task_id = await workshop.start("wait")
        again = (await workshop.client().post(call("wait"))).json()["result"]
    assert again["taskId"] == task_id
    assert again["_meta"][ATTACHED_META_KEY] == task_id
    lines = [line for line in caplog.records if line.name == "audit"]
    assert [line.which for line in lines] == [task_id] * 2  # type: ignore[attr-defined]


async def test_the_result_of_a_task_that_a_later_request_was_given_too_says_so(
    workshop: Workshop,
) -> None:
    first, again = [await workshop.start("saw", seconds=1, label="oak") for _ in range(2)]
    assert again == first
    result = (await workshop.end_of(again))["result"]
    assert result["_meta"][ATTACHED_META_KEY] == first
    assert result["structuredContent"]["attached_to"] == first
    assert result["structuredContent"]["result"]["label"] == "oak"


async def test_a_client_that_takes_no_tasks_gets_the_result_itself(workshop: Workshop) -> None:
    client = workshop.client(takes_tasks=False)
    result = (await client.post(call("saw", seconds=0, label="oak"))).json()["result"]
    assert result["resultType"] == "complete"
    assert result["structuredContent"]["label"] == "oak"
    assert "taskId" not in result


async def test_the_wish_for_a_task_is_the_requests_and_not_the_clients(workshop: Workshop) -> None:
    message = call("wait")
    message["params"]["_meta"] = {CLIENT_CAPABILITIES_META_KEY: TAKES_TASKS}
    answer = await workshop.client(takes_tasks=False).post(message)
    assert answer.json()["result"]["resultType"] == "task"


async def test_tools_that_run_no_workflow_never_become_tasks(workshop: Workshop) -> None:
    result = (await workshop.client().post(call("list_calls"))).json()["result"]
    assert result["resultType"] == "complete"


async def test_the_server_says_that_it_has_tasks(workshop: Workshop) -> None:
    found = (await workshop.client().post(request("server/discover"))).json()["result"]
    assert found["capabilities"]["extensions"][TASKS_EXTENSION] == {}


# Who may ask


async def test_who_takes_no_tasks_may_not_ask_for_any(workshop: Workshop) -> None:
    task_id = await workshop.start("wait")
    for method in TASK_METHODS:
        error = (await workshop.ask(method, task_id, takes_tasks=False))["error"]
        assert error["code"] == -32021
        assert error["data"] == {"requiredCapabilities": {"extensions": {TASKS_EXTENSION: {}}}}


async def test_a_task_of_another_principal_is_answered_as_one_that_never_was(
    workshop: Workshop,
) -> None:
    task_id = await workshop.start("wait")
    for method in TASK_METHODS:
        of_alice = await workshop.ask(method, task_id, token=BOB)
        of_nobody = await workshop.ask(method, UNKNOWN, token=BOB)
        assert of_alice == of_nobody
        assert of_nobody["error"]["code"] == -32602
    assert (await workshop.get(task_id))["status"] == "working"


async def test_the_header_must_name_the_task_that_the_body_names(workshop: Workshop) -> None:
    """Source: SEP-2663, "Streamable HTTP: Routing Headers"."""
    task_id = await workshop.start("wait")
    for method, named in itertools.product(TASK_METHODS, ["", UNKNOWN]):
        answer = await workshop.client().post(request(method, taskId=task_id), mcp_name=named)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32020)
    assert (await workshop.get(task_id))["status"] == "working"


async def test_sessions_of_older_wires_know_no_tasks(workshop: Workshop) -> None:
    session = await open_session(workshop.http, f"{workshop.origin}/mcp/{NAME}")
    for method in TASK_METHODS:
        answer = await session.post(request(method, taskId=UNKNOWN))
        assert answer.json()["error"]["code"] == -32601


# How a task ends


async def test_a_workflow_that_succeeds_completes_its_task_with_the_result(
    workshop: Workshop,
) -> None:
    task = await workshop.end_of(await workshop.start("saw", seconds=0, label="oak"))
    assert task["status"] == "completed"
    assert task["result"]["structuredContent"]["label"] == "oak"
    assert "error" not in task


async def test_a_workflow_that_fails_in_n8n_completes_its_task_with_an_error(
    workshop: Workshop,
) -> None:
    task = await workshop.end_of(await workshop.start("break"))
    assert task["status"] == "completed"
    assert task["result"]["isError"] is True
    assert task["statusMessage"] in task["result"]["content"][0]["text"]
    assert "error" not in task


async def test_a_fault_of_the_bridge_fails_the_task(workshop: Workshop) -> None:
    task = await workshop.end_of(await workshop.start("forgotten"))
    assert task["status"] == "failed"
    assert task["error"]["code"] == -32603
    assert "no longer configured" in task["error"]["message"]
    assert "result" not in task


async def test_cancelling_a_task_stops_the_call_that_was_sent(workshop: Workshop) -> None:
    task_id = await workshop.start("wait")
    await wait_until(lambda: workshop.silent.requests, "the call is sent")
    assert await workshop.ask("tasks/cancel", task_id) == {"result": {"resultType": "complete"}}
    await wait_until(workshop.silent.closed.is_set, "the request to n8n is broken off")
    task = await workshop.get(task_id)
    assert task["status"] == "cancelled"
    assert not {"result", "error"} & task.keys()


async def test_cancelling_a_task_that_has_ended_changes_nothing(workshop: Workshop) -> None:
    ended = await workshop.end_of(await workshop.start("saw", seconds=0))
    acknowledged = await workshop.ask("tasks/cancel", ended["taskId"])
    assert acknowledged == {"result": {"resultType": "complete"}}
    assert await workshop.get(ended["taskId"]) == ended


async def test_answers_that_no_task_asked_for_are_taken_and_ignored(workshop: Workshop) -> None:
    task_id = await workshop.start("wait")
    message = request("tasks/update", taskId=task_id, inputResponses={"unasked": {"ok": True}})
    answer = await workshop.client().post(message)
    assert answer.json()["result"]["resultType"] == "complete"
    assert (await workshop.get(task_id))["status"] == "working"


async def test_an_expired_task_says_that_its_result_is_gone(redis_url: str) -> None:
    async with open_workshop(redis_url, result_ttl_s=1) as workshop:
        task_id = await workshop.start("saw", seconds=0)

        async def is_gone() -> bool:
            return "error" in await workshop.ask("tasks/get", task_id)

        await wait_until(is_gone, "the result is dropped")
        for method in TASK_METHODS:
            error = (await workshop.ask(method, task_id))["error"]
            assert error["code"] == -32602
            assert "kept for its time" in error["message"]


# What a task tells while it works


async def test_the_progress_that_a_workflow_reports_is_the_tasks_message(
    workshop: Workshop,
) -> None:
    task_id = await workshop.start("saw", seconds=60)
    assert "statusMessage" not in await workshop.get(task_id)
    await workshop.report(0.4, "the second log")
    assert (await workshop.get(task_id))["statusMessage"] == "40%: the second log"
    await workshop.report(0.5, "")
    assert (await workshop.get(task_id))["statusMessage"] == "50%"


# One call, one task


async def test_a_call_made_again_before_its_end_is_the_same_task(workshop: Workshop) -> None:
    first = await workshop.start("saw", seconds=60)
    assert await workshop.start("saw", seconds=60) == first
    await workshop.sent()
    assert len(workshop.n8n.seen.of()) == 1


async def test_a_task_and_a_handle_are_one_call(workshop: Workshop) -> None:
    ended = await workshop.end_of(await workshop.start("saw", seconds=0, label="oak"))
    read = call("read_call", call_id=ended["taskId"])
    handle = (await workshop.client(takes_tasks=False).post(read)).json()["result"]
    assert handle["structuredContent"]["status"] == "succeeded"
    assert handle["structuredContent"]["result"] == ended["result"]["structuredContent"]


async def test_a_handle_shows_what_the_workflow_reports_of_itself(workshop: Workshop) -> None:
    call_id = await workshop.start("saw", seconds=60)
    assert not {"progress", "message"} & (await read(workshop, call_id)).keys()
    await workshop.report(0.4, "the second log")
    shown = await read(workshop, call_id)
    assert (shown["progress"], shown["message"]) == (0.4, "the second log")


async def test_a_handle_of_a_call_whose_result_is_gone_says_so(
    workshop: Workshop, redis_url: str
) -> None:
    call_id = (await workshop.end_of(await workshop.start("saw", seconds=0)))["taskId"]
    async with Redis.from_url(redis_url) as redis:
        assert await redis.hset(f"{{bridge}}:call:{call_id}", "finished_at", 1) == 0
    shown = await read(workshop, call_id)
    assert (shown["status"], shown["failure"]) == ("expired", EXPIRED)


async def test_a_handle_leads_to_the_question_until_somebody_is_about_to_answer_it(
    workshop: Workshop,
) -> None:
    call_id = await workshop.start("wait")
    event_id = await workshop.question(call_id, "May I?")
    assert f"Call take_event with event_id {event_id}" in str(await read(workshop, call_id))
    taken = await workshop.client().post(call("take_event", event_id=event_id))
    assert taken.json()["result"]["structuredContent"]["event_id"] == event_id
    assert "somebody is about to answer" in str(await read(workshop, call_id))
    again = await workshop.client().post(call("take_event", event_id=event_id))
    assert "it is leased" in str(again.json()["result"])


async def read(workshop: Workshop, call_id: str) -> Message:
    """Read a call by its handle, as it stands; the rest of the result is given beside it."""
    answer = await workshop.client(takes_tasks=False).post(call("read_call", call_id=call_id))
    shown: Message = answer.json()["result"]["structuredContent"]
    return shown

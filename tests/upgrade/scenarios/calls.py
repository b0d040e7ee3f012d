"""Calls, their results, and what was asked in the middle of them."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

from bridge.mcp.workflow_tools import TASKS_EXTENSION
from tests.chaos.asking import TOOL_USE_META_KEY
from tests.doors.by_hand import BOB, Message, call, request
from tests.journeys import INTERRUPTED, LEAST_S
from tests.upgrade.desk import PATIENCE_S, Desk
from tests.upgrade.scenario import Scenario, Stage
from tests.waiting import wait_until

Act = AsyncGenerator[None, None]
TAKES_TASKS: Message = {"extensions": {TASKS_EXTENSION: {}}}


async def a_queued_call_runs_once(stage: Stage) -> Act:
    call_id = await stage.before.start("quick", "queued")
    yield
    ended = await stage.after.end_of(call_id)
    assert (ended["status"], ended["result"]["label"]) == ("succeeded", "queued")
    assert stage.after.runs("queued") == 1


async def queued_calls_are_told_one_from_another(stage: Stage) -> Act:
    labels = [f"many-{n}" for n in range(20)]
    started = [await stage.before.start("quick", label) for label in labels]
    yield
    ended = [await stage.after.end_of(call_id) for call_id in started]
    assert [each["result"]["label"] for each in ended] == labels
    assert [stage.after.runs(label) for label in labels] == [1] * len(labels)


async def a_call_that_n8n_may_have_run_is_not_sent_again(stage: Stage) -> Act:
    call_id = await running(stage.before, "held_once", "once")
    yield
    ended = await stage.after.end_of(call_id)
    assert (ended["status"], ended["failure"]) == ("failed", INTERRUPTED)
    assert stage.after.runs("once") == 1


async def an_idempotent_call_is_sent_again(stage: Stage) -> Act:
    call_id = await running(stage.before, "held_idempotent", "idempotent")
    yield
    assert (await stage.after.end_of(call_id))["result"] == {"label": "idempotent"}
    assert stage.after.runs("idempotent") == 2


async def a_call_that_runs_on_is_waited_for(stage: Stage) -> Act:
    """At the other process: its end is heard on the wake channel."""
    call_id = await running(stage.before, "held_once", "beside")
    yield
    assert (await stage.after.end_of(call_id))["result"] == {"label": "beside"}
    assert stage.after.runs("beside") == 1


async def a_call_that_is_followed_by_its_execution_is_followed_on(stage: Stage) -> Act:
    call_id = await running(stage.before, "followed", "followed")
    yield
    assert (await stage.after.end_of(call_id))["result"] == {"label": "followed"}
    assert stage.after.runs("followed") == 1


async def a_call_that_n8n_calls_back_for_ends_with_that(stage: Stage) -> Act:
    call_id = await running(stage.before, "called_back", "called-back")
    address = stage.before.requests("called-back")[0].headers["bridge-callback-url"]
    told = {"progress": 0.25, "message": "a quarter"}
    assert (await stage.before.http.post(address, json=told)).status_code == 200
    yield
    ended = await stage.after.end_of(call_id)
    assert (ended["status"], ended["result"]) == ("succeeded", {"label": "called-back"})
    assert stage.after.runs("called-back") == 1


async def who_waits_for_a_slot_has_it_when_it_is_free(stage: Stage) -> Act:
    first = await running(stage.before, "held_narrow", "narrow-1")
    others = [await stage.before.start("held_narrow", f"narrow-{n}") for n in (2, 3)]
    yield
    ended = [await stage.after.end_of(call_id) for call_id in (first, *others)]
    assert [each["result"]["label"] for each in ended] == ["narrow-1", "narrow-2", "narrow-3"]
    assert [stage.after.runs(f"narrow-{n}") for n in (2, 3)] == [1, 1]


async def a_result_is_kept(stage: Stage) -> Act:
    call_id = await stage.before.start("quick", "kept")
    before = await stage.before.end_of(call_id)
    yield
    assert await stage.after.end_of(call_id) == before
    assert before["result"]["label"] == "kept"


async def calls_are_listed_from_a_cursor_on(stage: Stage) -> Act:
    desk = replace(stage.before, token=BOB)
    started = [await desk.start("quick", f"listed-{n}") for n in range(3)]
    first = await desk.use("list_calls", limit=1)
    yield
    rest = await replace(stage.after, token=BOB).use("list_calls", cursor=first["next_cursor"])
    assert [each["call_id"] for each in first["calls"] + rest["calls"]] == started


async def the_same_call_joins_one_that_runs(stage: Stage) -> Act:
    call_id = await running(stage.before, "held_joined", "joins")
    yield
    told = await stage.after.use("held_joined", label="joins", seconds=LEAST_S)
    assert told["attached_to"] == call_id
    assert (await stage.after.end_of(call_id))["result"] == {"label": "joins"}


async def the_same_call_joins_one_that_has_ended_unheard(stage: Stage) -> Act:
    call_id = await stage.before.start("joined", "unheard")
    await has_ended(stage.before, call_id)
    yield
    told = await stage.after.use("joined", label="unheard", seconds=LEAST_S)
    assert (told["attached_to"], told["result"]["label"]) == (call_id, "unheard")
    assert stage.after.runs("unheard") == 1


async def the_same_use_of_a_tool_joins_what_was_heard(stage: Stage) -> Act:
    call_id = (await once_more(stage.before))["call_id"]
    await stage.before.end_of(call_id)
    yield
    assert (await once_more(stage.after))["attached_to"] == call_id
    assert stage.after.runs("heard") == 1


async def a_call_is_cancelled_at_the_other(stage: Stage) -> Act:
    call_id = await running(stage.before, "called_back", "cancelled", forever=True)
    yield
    await stage.after.use("cancel_call", call_id=call_id)
    assert (await stage.after.end_of(call_id))["status"] == "cancelled"


async def a_task_goes_on(stage: Stage) -> Act:
    task_id = await started_task(stage.before, "held_idempotent", "task")
    yield
    done = await task_in(stage.after, task_id, "completed")
    assert done["result"]["structuredContent"] == {"label": "task"}


async def a_question_in_the_middle_is_answered(stage: Stage) -> Act:
    task_id = await started_task(stage.before, "called_back", "asking", forever=True)
    event_id = await stage.before.sent("in-the-middle", "May I?", bridge_call_id=task_id)
    yield
    task = await task_in(stage.after, task_id, "input_required")
    assert list(task["inputRequests"]) == [event_id]
    given = {event_id: {"action": "accept", "content": {"reply": '{"yes": true}'}}}
    client = replace(stage.after, capabilities=TAKES_TASKS)
    await client.answer(request("tasks/update", taskId=task_id, inputResponses=given))
    told = await stage.after.event(event_id)
    assert (told["status"], told["reply"]["value"]) == ("answered", {"yes": True})


async def running(desk: Desk, workflow: str, label: str, **more: Any) -> str:
    """Start a call, and wait until n8n runs it."""
    call_id = await desk.start(workflow, label, **more)
    await desk.running(label)
    return call_id


async def has_ended(desk: Desk, call_id: str) -> None:
    """Wait for the end of a call without reading it, which would be to receive its result."""

    async def is_listed() -> bool:
        listed = await desk.use("list_calls", status="succeeded", limit=100)
        return any(each["call_id"] == call_id for each in listed["calls"])

    await wait_until(is_listed, "the end of the call", PATIENCE_S)


async def once_more(desk: Desk) -> dict[str, Any]:
    """Call a tool as one and the same use of it by Claude Code."""
    message = call("joined", label="heard", seconds=LEAST_S)
    message["params"]["_meta"] = {TOOL_USE_META_KEY: "toolu_1"}
    told: dict[str, Any] = (await desk.answer(message))["result"]["structuredContent"]
    return told


async def started_task(desk: Desk, workflow: str, label: str, **more: Any) -> str:
    """Start a call as a task, and wait until n8n runs it."""
    client = replace(desk, capabilities=TAKES_TASKS)
    started = await client.answer(call(workflow, label=label, **more))
    task_id: str = started["result"]["taskId"]
    await desk.running(label)
    return task_id


async def task_in(desk: Desk, task_id: str, status: str) -> Message:
    """Wait until a task stands so; return it."""
    client = replace(desk, capabilities=TAKES_TASKS)
    found: Message = {}

    async def stands_so() -> bool:
        found.update((await client.answer(request("tasks/get", taskId=task_id)))["result"])
        return bool(found["status"] == status)

    await wait_until(stands_so, f"the task is {status}", PATIENCE_S)
    return found


SCENARIOS = (
    *(
        Scenario(act)
        for act in (
            a_call_that_is_followed_by_its_execution_is_followed_on,
            a_call_that_n8n_calls_back_for_ends_with_that,
            who_waits_for_a_slot_has_it_when_it_is_free,
            a_result_is_kept,
            calls_are_listed_from_a_cursor_on,
            the_same_call_joins_one_that_runs,
            the_same_call_joins_one_that_has_ended_unheard,
            the_same_use_of_a_tool_joins_what_was_heard,
            a_call_is_cancelled_at_the_other,
            a_task_goes_on,
            a_question_in_the_middle_is_answered,
        )
    ),
    *(
        Scenario(act, needs_no_worker=True)
        for act in (a_queued_call_runs_once, queued_calls_are_told_one_from_another)
    ),
    Scenario(a_call_that_n8n_may_have_run_is_not_sent_again, needs_deaths=True),
    Scenario(an_idempotent_call_is_sent_again, needs_deaths=True),
    Scenario(a_call_that_runs_on_is_waited_for, needs_lives=True),
)

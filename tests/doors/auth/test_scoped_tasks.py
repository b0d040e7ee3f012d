"""Tasks and calls of a principal whose rights became less: what is outside is not there."""

import logging
from collections.abc import Mapping

import httpx2
import pytest

from bridge.app import BridgeApp
from bridge.auth.authentication import EVERYTHING, Scope
from bridge.configuration.settings import Settings
from bridge.models import CallId, new_lease_token
from bridge.runtime import Runtime
from tests.doors.auth.test_other_principals import asked, modern
from tests.doors.by_hand import Message, Modern, call, request
from tests.doors.scoped import DESK, READER, client, renewed, told
from tests.doors.subscriptions.test_subscriptions_listen import honoured, listening
from tests.doors.workshop import TASK_METHODS
from tests.standing import Webs

UNKNOWN = "call_of_nobody"
LOOKS_UP = Scope(workflows=frozenset({"look_up"}))
LETTERS = Scope(hooks=frozenset({"letters"}))
NO_EVENTS = Scope(hooks=frozenset())
SECRET = "a very private alarm"


@pytest.fixture
async def app(settings: Settings, webs: Webs) -> BridgeApp:
    return await webs.app(build, settings)


def build(settings: Settings) -> BridgeApp:
    stamp = DESK.workflows["stamp"].model_copy(
        update={"output": {"type": "object", "required": ["stamped"]}, "result": "callback"}
    )
    desk = DESK.model_copy(update={"workflows": DESK.workflows | {"stamp": stamp}})
    return BridgeApp(settings, {DESK.name: desk})


@pytest.fixture
async def task_id(web: str, http: httpx2.AsyncClient, runtime: Runtime) -> str:
    """Have mira, who may do everything for now, run a workflow."""
    mira = modern(http, web, await renewed(runtime, "mira", EVERYTHING))
    task_id: str = (await mira.post(call("stamp"))).json()["result"]["taskId"]
    return task_id


async def as_(http: httpx2.AsyncClient, web: str, runtime: Runtime, scope: Scope) -> Modern:
    """Return mira with these rights, and those only."""
    return modern(http, web, await renewed(runtime, "mira", scope))


async def ask_on_alarms(http: httpx2.AsyncClient, web: str, task_id: str) -> str:
    """Have the workflow ask on the hook for alarms; returns the id of the event."""
    headers = {"authorization": "Bearer hook", "bridge-call-id": task_id}
    answer = await http.post(f"{web}/hooks/desk/alarms", json=SECRET, headers=headers)
    assert answer.status_code == 202, answer.text
    event_id: str = answer.json()["event_id"]
    return event_id


async def stands(mira: Modern, task_id: str) -> Message:
    """Return a task as mira sees it."""
    result: Message = (await mira.post(request("tasks/get", taskId=task_id))).json()["result"]
    return result


async def demand_running(
    http: httpx2.AsyncClient, web: str, runtime: Runtime, task_id: str
) -> None:
    """Look, with all rights, whether a task runs on as it was."""
    everything = await as_(http, web, runtime, EVERYTHING)
    assert (await stands(everything, task_id))["status"] in ("working", "input_required")


async def test_whoever_only_reads_sees_a_task_and_can_neither_end_nor_answer_it(
    web: str,
    http: httpx2.AsyncClient,
    runtime: Runtime,
    task_id: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    event_id = await ask_on_alarms(http, web, task_id)
    reader = await as_(http, web, runtime, READER)
    with caplog.at_level(logging.INFO, "audit"):
        assert list((await stands(reader, task_id))["inputRequests"]) == [event_id]
        cancelled = await asked(reader, "tasks/cancel", taskId=task_id)
        assert cancelled == await asked(reader, "tasks/cancel", taskId=UNKNOWN)
        answers = {event_id: {"action": "accept", "content": {"reply": "Yes"}}}
        for named in (task_id, UNKNOWN):
            message = request("tasks/update", taskId=named, inputResponses=answers)
            error = (await reader.post(message)).json()["error"]
            assert (error["code"], error["message"]) == (-32602, "no such task")
    assert not [line for line in caplog.records if line.name == "audit"]
    await demand_running(http, web, runtime, task_id)
    assert (await runtime.mcp.events.find("desk", event_id)).status == "queued"


async def test_whoever_only_reads_is_not_told_to_answer(
    web: str, http: httpx2.AsyncClient, runtime: Runtime, task_id: str
) -> None:
    await ask_on_alarms(http, web, task_id)
    reader = await as_(http, web, runtime, READER)
    read = (await told(reader, "read_call", call_id=task_id))["result"]["structuredContent"]
    assert "take_event" not in read["next"]
    assert "somebody else must answer" in read["next"]


@pytest.mark.parametrize("method", TASK_METHODS)
async def test_a_task_of_a_workflow_outside_the_scope_is_unknown(
    web: str, http: httpx2.AsyncClient, runtime: Runtime, task_id: str, method: str
) -> None:
    mira = await as_(http, web, runtime, LOOKS_UP)
    outside = await asked(mira, method, taskId=task_id)
    assert outside == await asked(mira, method, taskId=UNKNOWN)
    assert "no such task" in outside["text"]
    await demand_running(http, web, runtime, task_id)


async def test_a_call_of_a_workflow_outside_the_scope_is_unknown(
    web: str, http: httpx2.AsyncClient, runtime: Runtime, task_id: str
) -> None:
    mira = client(http, web, await renewed(runtime, "mira", LOOKS_UP))
    within = (await told(mira, "look_up"))["result"]["structuredContent"]["call_id"]
    for tool in ("read_call", "cancel_call"):
        outside = await told(mira, tool, call_id=task_id)
        assert outside == await told(mira, tool, call_id=UNKNOWN)
        assert outside["result"]["isError"]
    listed = (await told(mira, "list_calls"))["result"]["structuredContent"]["calls"]
    assert [row["call_id"] for row in listed] == [within]
    await demand_running(http, web, runtime, task_id)


async def test_nobody_listens_to_a_task_outside_the_scope(
    web: str, http: httpx2.AsyncClient, runtime: Runtime, task_id: str
) -> None:
    mira = await as_(http, web, runtime, LOOKS_UP)
    async with listening(mira, taskIds=[task_id, UNKNOWN]) as messages:
        assert await honoured(messages) == {}


@pytest.mark.parametrize("scope", [LETTERS, NO_EVENTS])
async def test_what_a_task_asks_on_a_hook_outside_the_scope_is_not_told(
    web: str, http: httpx2.AsyncClient, runtime: Runtime, task_id: str, scope: Scope
) -> None:
    event_id = await ask_on_alarms(http, web, task_id)
    mira = await as_(http, web, runtime, scope)
    tool = call("read_call", call_id=task_id)
    seen = [await mira.post(request("tasks/get", taskId=task_id)), await mira.post(tool)]
    seen.append(await mira.post(call("stamp")))  # which joins the same call
    assert seen[2].json()["result"]["taskId"] == task_id
    for answer in seen:
        assert not [it for it in (event_id, "alarms", SECRET, "input") if it in answer.text]

    answers: Mapping[str, object] = {event_id: {"action": "accept", "content": {"reply": "Yes"}}}
    updated = await mira.post(request("tasks/update", taskId=task_id, inputResponses=answers))
    unknown = await mira.post(request("tasks/update", taskId=task_id, inputResponses={"evt_x": 1}))
    assert updated.text == unknown.text
    assert (await runtime.mcp.events.find("desk", event_id)).status == "queued"


async def test_a_call_that_asks_outside_the_scope_is_waited_for(
    web: str, http: httpx2.AsyncClient, runtime: Runtime, task_id: str
) -> None:
    await ask_on_alarms(http, web, task_id)
    mira = client(http, web, await renewed(runtime, "mira", LETTERS))
    read = await told(mira, "read_call", call_id=task_id, wait_seconds=0.2)
    assert read["result"]["structuredContent"]["status"] == "queued"
    assert "input_required" not in read["result"]["structuredContent"]


async def test_whoever_only_reads_is_shown_what_the_schema_of_a_result_requires(
    web: str, http: httpx2.AsyncClient, runtime: Runtime, task_id: str
) -> None:
    running = await runtime.stores.runs.lease(CallId(task_id), new_lease_token())
    assert running
    address = f"{web}/callbacks/{task_id}?token={running.secret}"
    said = {"result": {"stamped": None, "more": None}}
    assert (await http.post(address, json=said)).status_code == 200
    for scope in (EVERYTHING, READER):
        mira = client(http, web, await renewed(runtime, "mira", scope))
        read = await told(mira, "read_call", call_id=task_id)
        assert read["result"]["structuredContent"]["result"] == {"stamped": None}

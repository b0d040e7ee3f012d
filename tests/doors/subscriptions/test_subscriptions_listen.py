"""Subscriptions of the 2026 wire: who is told of which change, and what else nobody hears."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import httpx2
import pytest

from bridge.app import BridgeApp
from tests.conformance.endpoint import NAME as FIXTURES
from tests.doors.by_hand import BOB, Message, Modern, call, events, request
from tests.doors.workshop import TAKES_TASKS, Workshop, open_workshop
from tests.waiting import wait_until

SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
UNKNOWN = "call_of_nobody"


@pytest.fixture
async def workshop(redis_url: str) -> AsyncIterator[Workshop]:
    async with open_workshop(redis_url) as opened:
        yield opened


@contextlib.asynccontextmanager
async def listening(client: Modern, **wanted: Any) -> AsyncIterator[AsyncGenerator[Message, None]]:
    """Open a subscription; returns what is told on it."""
    async with client.stream(request("subscriptions/listen", 7, notifications=wanted)) as answer:
        assert answer.status_code == 200
        async with contextlib.aclosing(told(answer)) as messages:
            yield messages


async def told(answer: httpx2.Response) -> AsyncGenerator[Message, None]:
    async with contextlib.aclosing(events(answer)) as stream:
        async for event in stream:
            if event.data:
                assert event.message["params"]["_meta"][SUBSCRIPTION] == 7
                yield event.message


async def honoured(messages: AsyncGenerator[Message, None]) -> Message:
    """Read the acknowledgement, which comes first."""
    acknowledged = await anext(messages)
    assert acknowledged["method"] == "notifications/subscriptions/acknowledged"
    filter_: Message = acknowledged["params"]["notifications"]
    return filter_


async def next_task(messages: AsyncGenerator[Message, None]) -> Message:
    """Read on to the next news of a task."""
    message = await anext(messages)
    assert message["method"] == "notifications/tasks"
    params: Message = message["params"]
    del params["_meta"]
    return params


# Tasks


async def test_a_task_is_told_as_it_stands_and_then_at_each_change(workshop: Workshop) -> None:
    task_id = await workshop.start("saw", seconds=60)
    await workshop.sent()
    async with listening(workshop.client(), taskIds=[task_id]) as messages:
        assert await honoured(messages) == {"taskIds": [task_id]}
        assert (await next_task(messages))["status"] == "working"
        await workshop.report(0.4, "the second log")
        assert (await next_task(messages))["statusMessage"] == "40%: the second log"
        await workshop.ask("tasks/cancel", task_id)
        cancelled = await next_task(messages)
    assert cancelled["status"] == "cancelled"
    assert {"resultType": "complete", **cancelled} == await workshop.get(task_id)


async def test_the_end_of_a_task_is_told_with_its_result_by_any_process(
    workshop: Workshop,
) -> None:
    task_id = await workshop.start("saw", seconds=0.5, label="oak")
    async with listening(workshop.client(other=True), taskIds=[task_id]) as messages:
        await honoured(messages)
        task = await next_task(messages)
        while task["status"] == "working":
            task = await next_task(messages)
    assert task["result"]["structuredContent"]["label"] == "oak"


async def test_what_is_told_is_the_same_as_what_is_asked_for(workshop: Workshop) -> None:
    ended = await workshop.end_of(await workshop.start("break"))
    async with listening(workshop.client(), taskIds=[ended["taskId"]]) as messages:
        await honoured(messages)
        assert {"resultType": "complete", **await next_task(messages)} == ended


async def test_tasks_of_others_and_of_nobody_are_left_out_alike(workshop: Workshop) -> None:
    task_id = await workshop.start("wait")
    async with listening(workshop.client(BOB), taskIds=[task_id, UNKNOWN]) as messages:
        assert await honoured(messages) == {}


async def test_who_takes_no_tasks_may_not_listen_for_any(workshop: Workshop) -> None:
    client = workshop.client(takes_tasks=False)
    message = request("subscriptions/listen", notifications={"taskIds": [UNKNOWN]})
    error = (await client.post(message)).json()["error"]
    assert error["code"] == -32021
    assert error["data"] == {"requiredCapabilities": TAKES_TASKS}


@pytest.mark.parametrize("task_ids", ["call_1", [1], {"call_1": True}])
async def test_a_filter_of_the_wrong_shape_is_refused(
    web: str, http: httpx2.AsyncClient, task_ids: object
) -> None:
    client = Modern(http, f"{web}/mcp/desk", capabilities=TAKES_TASKS)
    answer = await client.post(request("subscriptions/listen", notifications={"taskIds": task_ids}))
    assert answer.json()["error"]["code"] == -32602


# Lists


async def test_a_list_that_changes_is_told_to_those_who_asked_for_it(
    web: str, http: httpx2.AsyncClient
) -> None:
    client = Modern(http, f"{web}/mcp/{FIXTURES}")
    async with (
        listening(client, toolsListChanged=True) as of_tools,
        listening(client, promptsListChanged=True) as of_prompts,
    ):
        assert await honoured(of_tools) == {"toolsListChanged": True}
        assert await honoured(of_prompts) == {"promptsListChanged": True}
        await client.post(call("test_trigger_tool_change"))
        await client.post(call("test_trigger_prompt_change"))
        assert (await anext(of_tools))["method"] == "notifications/tools/list_changed"
        assert (await anext(of_prompts))["method"] == "notifications/prompts/list_changed"


async def test_a_client_that_leaves_is_forgotten(
    web: str, http: httpx2.AsyncClient, app: BridgeApp
) -> None:
    client = Modern(http, f"{web}/mcp/desk")
    listeners = app.mcp.endpoints["desk"].listening
    async with listening(client, toolsListChanged=True) as messages:
        await honoured(messages)
        assert listeners.count == 1
    await wait_until(lambda: listeners.count == 0, "the end of the subscription")

"""Tasks that ask their user: all that is open at once, and how it is told when it is answered."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.doors.by_hand import Message, request
from tests.doors.subscriptions.test_subscriptions_listen import honoured, listening, next_task
from tests.doors.workshop import Workshop, open_workshop

YES: Message = {"action": "accept", "content": {"yes": True}}


@pytest.fixture
async def workshop(redis_url: str) -> AsyncIterator[Workshop]:
    async with open_workshop(redis_url) as opened:
        yield opened


async def update(workshop: Workshop, task_id: str, responses: dict[str, Any]) -> Message:
    message = request("tasks/update", taskId=task_id, inputResponses=responses)
    answer: Message = (await workshop.client().post(message)).json()
    return answer


async def test_a_task_asks_all_that_is_open_and_works_on_when_all_is_answered(
    workshop: Workshop,
) -> None:
    task_id = await workshop.start("wait")
    first, second = [await workshop.question(task_id, text) for text in ("Red?", "Blue?")]
    asking = await workshop.get(task_id)
    assert asking["status"] == "input_required"
    assert list(asking["inputRequests"]) == [first, second]
    assert "Blue?" in asking["inputRequests"][second]["params"]["message"]

    await update(workshop, task_id, {second: YES})
    partly = await workshop.get(task_id)
    assert (partly["status"], list(partly["inputRequests"])) == ("input_required", [first])

    await update(workshop, task_id, {first: YES, second: YES})
    working = await workshop.get(task_id)
    assert working["status"] == "working"
    assert "inputRequests" not in working


async def test_two_answers_may_come_at_once(workshop: Workshop) -> None:
    task_id = await workshop.start("wait")
    asked = [await workshop.question(task_id, text) for text in ("Red?", "Blue?")]
    await update(workshop, task_id, dict.fromkeys(asked, YES))
    assert (await workshop.get(task_id))["status"] == "working"


async def test_an_answer_that_does_not_fit_leaves_its_question_open(workshop: Workshop) -> None:
    task_id = await workshop.start("wait")
    event_id = await workshop.question(task_id, "Red?")
    wrong = {"action": "accept", "content": {"yes": "perhaps"}}
    assert (await update(workshop, task_id, {event_id: wrong}))["error"]["code"] == -32602
    assert list((await workshop.get(task_id))["inputRequests"]) == [event_id]


async def test_a_question_stays_open_for_who_only_closes_its_form(workshop: Workshop) -> None:
    task_id = await workshop.start("wait")
    event_id = await workshop.question(task_id, "Red?")
    answer = await update(workshop, task_id, {event_id: {"action": "cancel"}})
    assert "result" in answer
    assert list((await workshop.get(task_id))["inputRequests"]) == [event_id]


async def test_who_listens_is_told_of_each_question_and_that_the_task_works_on(
    workshop: Workshop,
) -> None:
    task_id = await workshop.start("wait")
    async with listening(workshop.client(other=True), taskIds=[task_id]) as messages:
        await honoured(messages)
        event_id = await workshop.question(task_id, "Red?")
        task = await next_task(messages)
        while task["status"] == "working":
            task = await next_task(messages)
        assert (task["status"], list(task["inputRequests"])) == ("input_required", [event_id])
        await update(workshop, task_id, {event_id: YES})
        while task["status"] == "input_required":
            task = await next_task(messages)
        assert task["status"] == "working"

"""Tasks whose user must approve first: asked in a form, bound to what it shows, decided once."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.doors.by_hand import BOB, Message, call, request
from tests.doors.workshop import Workshop, open_workshop


@pytest.fixture
async def workshop(redis_url: str) -> AsyncIterator[Workshop]:
    async with open_workshop(redis_url) as opened:
        yield opened


async def update(workshop: Workshop, task_id: str, **responses: Any) -> Message:
    message = request("tasks/update", taskId=task_id, inputResponses=responses)
    answer: Message = (await workshop.client().post(message)).json()
    return answer


def accepted(**content: Any) -> Message:
    return {"action": "accept", "content": content}


async def asked(workshop: Workshop, task_id: str) -> tuple[str, Message]:
    """Return the one thing that a task asks, and how it names that."""
    task = await workshop.get(task_id)
    assert task["status"] == "input_required"
    ((key, form),) = task["inputRequests"].items()
    return key, form["params"]


async def test_a_task_asks_its_user_and_runs_once_they_agree(workshop: Workshop) -> None:
    task_id = await workshop.start("by_elicitation", seconds=0, order="A7")
    key, form = await asked(workshop, task_id)
    assert 'be run with these arguments?\n{"seconds":0,"order":"A7"}' in form["message"]
    assert form["requestedSchema"]["required"] == ["approve"]
    said = (await workshop.get(task_id))["statusMessage"]
    assert said.startswith("waits for the approval of your user, until 2")
    assert workshop.n8n.seen.of() == []

    await update(workshop, task_id, **{key: accepted(approve=True, reason="a fine order")})
    assert (await workshop.end_of(task_id))["status"] == "completed"
    assert len(workshop.n8n.seen.of()) == 1


async def test_a_form_hides_nothing_and_turns_no_text_around(workshop: Workshop) -> None:
    task_id = await workshop.start("by_elicitation", to="\u202ea\u200b\x1b[2J\n")
    _, form = await asked(workshop, task_id)
    assert form["message"].endswith('\n{"to":"\\u202ea\\u200b\\u001b[2J\\n"}')


@pytest.mark.parametrize(
    ("response", "reason"),
    [(accepted(approve=False, reason="too dear"), "too dear"), ({"action": "decline"}, "declined")],
)
async def test_a_task_that_its_user_refuses_has_failed(
    workshop: Workshop, response: Message, reason: str
) -> None:
    task_id = await workshop.start("by_elicitation")
    key, _ = await asked(workshop, task_id)
    await update(workshop, task_id, **{key: response})
    task = await workshop.get(task_id)
    assert task["statusMessage"] == f"refused by alice, asked by their client: {reason}"
    assert task["result"]["isError"] is True
    assert workshop.n8n.seen.of() == []
    again = await update(workshop, task_id, **{key: accepted(approve=True)})
    assert "error" not in again
    assert (await workshop.get(task_id))["status"] == "completed"
    assert workshop.n8n.seen.of() == []


@pytest.mark.parametrize(
    "response",
    [
        {"action": "cancel"},
        accepted(),
        accepted(approve="yes"),
        accepted(approve=1),
        accepted(approve=True, reason="x" * 1001),
        {"action": "accept"},
        "yes",
    ],
)
async def test_what_is_no_answer_leaves_it_waiting(workshop: Workshop, response: Any) -> None:
    task_id = await workshop.start("by_elicitation")
    key, _ = await asked(workshop, task_id)
    await update(workshop, task_id, **{key: response})
    assert (await asked(workshop, task_id))[0] == key
    assert workshop.n8n.seen.of() == []


async def test_an_answer_to_another_question_approves_nothing(workshop: Workshop) -> None:
    task_id = await workshop.start("by_elicitation", n=1)
    other, _ = await asked(workshop, await workshop.start("by_elicitation", n=2))
    for key in (other, "approval-", "", "approval"):
        await update(workshop, task_id, **{key: accepted(approve=True)})
    assert (await asked(workshop, task_id))[0] not in ("", other)
    assert workshop.n8n.seen.of() == []


async def test_who_has_made_a_call_that_operators_approve_cannot_approve_it(
    workshop: Workshop,
) -> None:
    task_id = await workshop.start("by_console", n=1)
    twin, _ = await asked(workshop, await workshop.start("by_elicitation", n=1))
    task = await workshop.get(task_id)
    assert task["status"] == "working"
    assert "approval of an operator of the bridge" in task["statusMessage"]
    found = (await workshop.http.get(f"{workshop.origin}/approvals")).json()["approvals"]
    (waiting,) = [each for each in found if each["call_id"] == task_id]
    for key in (twin, f"approval-{waiting['digest']}"):
        await update(workshop, task_id, **{key: accepted(approve=True)})
    assert (await workshop.get(task_id))["status"] == "working"
    assert workshop.n8n.seen.of() == []


async def test_another_principal_approves_nothing(workshop: Workshop) -> None:
    task_id = await workshop.start("by_elicitation", n=1)
    key, _ = await asked(workshop, task_id)
    message = request("tasks/update", taskId=task_id, inputResponses={key: accepted(approve=True)})
    answer = (await workshop.client(BOB).post(message)).json()
    assert answer["error"]["message"] == "no such task"
    assert workshop.n8n.seen.of() == []


async def test_a_client_that_cannot_ask_is_told_that_an_operator_must(workshop: Workshop) -> None:
    client = workshop.client(takes_tasks=False)
    answer = await client.post(call("by_elicitation", n=1))
    handle = answer.json()["result"]["structuredContent"]
    assert handle["status"] == "queued"
    assert "an operator of the bridge, for this client does not ask its user" in handle["next"]
    read = await client.post(call("read_call", call_id=handle["call_id"]))
    assert "an operator of the bridge" in read.json()["result"]["structuredContent"]["next"]

"""n8n asks Claude something in the middle of a call, which goes on with the answer."""

from pathlib import Path
from typing import Any

import pytest

from tests.bridge_processes import HOOK_PATH, HOOK_TOKEN, SERVER, TOKEN, Bridge, running_bridge
from tests.claude import WIRES, Wire, use
from tests.doors.by_hand import Message, Modern, call, request
from tests.doors.workshop import TAKES_TASKS
from tests.journeys import end_of
from tests.waiting import wait_until


def question(bridge: Bridge) -> dict[str, Any]:
    """Return the arguments with which the workflow asks on this bridge's hook."""
    return {
        "question": "May I?",
        "hook": HOOK_PATH.removeprefix("/hooks/"),
        "port": int(bridge.environ["BRIDGE_PORT"]),
        "token": HOOK_TOKEN,
    }


@pytest.mark.parametrize("wire", WIRES)
async def test_a_call_asks_and_goes_on_with_the_answer(tmp_path: Path, wire: Wire) -> None:
    async with running_bridge(tmp_path) as bridge, bridge.claude(wire) as client:
        handle = await use(client, "asking", **question(bridge))

        asked = handle["input_required"]
        assert (handle["status"], asked["payload"]) == ("running", {"question": "May I?"})
        assert asked["event_id"] in handle["next"]
        shown = await use(client, "read_call", call_id=handle["call_id"], wait_seconds=60)
        assert shown["input_required"] == asked
        taken = await use(client, "take_event", event_id=asked["event_id"])
        assert taken["payload"] == asked["payload"]
        claim = {"event_id": asked["event_id"], "lease": taken["lease"]}
        await use(client, "reply_to_event", **claim, reply={"yes": True})
        ended = await end_of(client, handle["call_id"])
        assert (ended["status"], ended["result"]) == ("succeeded", {"reply": {"yes": True}})
        assert "input_required" not in ended


async def test_a_task_asks_its_user_and_goes_on_with_the_answer(tmp_path: Path) -> None:
    async with running_bridge(tmp_path) as bridge:
        url = f"{bridge.webs[0].url}/mcp/{SERVER}"
        client = Modern(bridge.http, url, TOKEN, TAKES_TASKS)
        started = await client.post(call("asking", **question(bridge)))
        task_id = started.json()["result"]["taskId"]

        asking = await when(client, task_id, "input_required")
        ((event_id, asked),) = asking["inputRequests"].items()
        assert asked["method"] == "elicitation/create"
        assert asked["params"]["mode"] == "form"
        assert "May I?" in asked["params"]["message"]
        given = {event_id: {"action": "accept", "content": {"reply": '{"yes": true}'}}}
        await update(client, task_id, {"another": given[event_id]})
        assert (await get(client, task_id))["status"] == "input_required"
        await update(client, task_id, given)
        await update(client, task_id, given)

        done = await when(client, task_id, "completed")
        assert done["result"]["structuredContent"] == {"reply": {"yes": True}}
        assert "inputRequests" not in done


async def get(client: Modern, task_id: str) -> Message:
    task: Message = (await client.post(request("tasks/get", taskId=task_id))).json()["result"]
    return task


async def update(client: Modern, task_id: str, responses: Message) -> None:
    answer = await client.post(request("tasks/update", taskId=task_id, inputResponses=responses))
    assert answer.json()["result"]["resultType"] == "complete"


async def when(client: Modern, task_id: str, status: str) -> Message:
    async def has_come() -> bool:
        return bool((await get(client, task_id))["status"] == status)

    await wait_until(has_come, f"the task is {status}", 30)
    return await get(client, task_id)

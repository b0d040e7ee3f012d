"""Tasks and their results outlive the processes that made them, and the store's own death."""

from pathlib import Path

from tests.bridge_processes import SERVER, TOKEN, Bridge, Child, running_bridge
from tests.doors.by_hand import Message, Modern, call, request
from tests.doors.workshop import TAKES_TASKS
from tests.waiting import wait_until


def at(bridge: Bridge, web: Child) -> Modern:
    """Return a client that takes tasks."""
    return Modern(bridge.http, f"{web.url}/mcp/{SERVER}", TOKEN, TAKES_TASKS)


async def start(client: Modern, seconds: float) -> str:
    answer = await client.post(call("inline", seconds=seconds, label=f"{seconds}"))
    task_id: str = answer.json()["result"]["taskId"]
    return task_id


async def get(client: Modern, task_id: str) -> Message:
    answer = await client.post(request("tasks/get", taskId=task_id))
    task: Message = answer.json()["result"]
    return task


async def ended(client: Modern, task_id: str) -> Message:
    async def has_ended() -> bool:
        return bool((await get(client, task_id))["status"] != "working")

    await wait_until(has_ended, "the end of the task", 30)
    return await get(client, task_id)


async def restart_everything(bridge: Bridge) -> None:
    """Kill the store and every web process, and start them again."""
    for web in bridge.webs:
        web.kill()
        await web.ended()
    await bridge.kill_store()
    await bridge.valkey.start()
    for web in bridge.webs:
        await web.start()


async def test_a_task_told_to_a_client_is_there_after_the_store_was_killed(tmp_path: Path) -> None:
    async with running_bridge(tmp_path, workers=0) as bridge:
        client = at(bridge, bridge.webs[0])
        task_id = await start(client, 0)
        await bridge.kill_store()
        await bridge.valkey.start()
        assert (await get(client, task_id))["status"] == "working"
        await bridge.add_worker()
        assert (await ended(client, task_id))["status"] == "completed"
    assert len(bridge.runs()) == 1


async def test_a_result_is_kept_through_the_death_of_the_store_and_every_web_process(
    tmp_path: Path,
) -> None:
    async with running_bridge(tmp_path, webs=2) as bridge:
        first, second = (at(bridge, web) for web in bridge.webs)
        task = await ended(first, await start(first, 0))
        assert task["status"] == "completed"
        await restart_everything(bridge)
        assert await get(second, task["taskId"]) == task


async def test_a_task_that_works_goes_on_while_the_store_and_every_web_process_die(
    tmp_path: Path,
) -> None:
    async with running_bridge(tmp_path, webs=2) as bridge:
        first, second = (at(bridge, web) for web in bridge.webs)
        task_id = await start(first, 3)
        await wait_until(bridge.runs, "n8n has the call")
        await restart_everything(bridge)
        task = await ended(second, task_id)
        assert task["result"]["structuredContent"]["label"] == "3"
    assert len(bridge.runs()) == 1

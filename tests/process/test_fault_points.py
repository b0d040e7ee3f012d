"""A process that is killed between any two steps loses nothing and does nothing twice."""

import signal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client import Client

from tests.bridge_processes import Bridge, Child, end_of, running_bridge, start_call
from tests.claude import use
from tests.waiting import wait_until

INTERRUPTED = "interrupted after it was sent; it may have run"
TAKEN_OVER_S = 20.0
LONG_S = 3.0

Outcome = tuple[str, str | None, int]
"""How a call ended: its status, its failure, and how often n8n was asked."""

DONE: Outcome = ("succeeded", None, 1)
DONE_ASKED_TWICE: Outcome = ("succeeded", None, 2)


async def killed(child: Child) -> None:
    """Wait for the end that its fault point makes."""
    assert await child.ended() == -signal.SIGKILL


async def calls_after_a_worker_dies_at(point: str, folder: Path) -> dict[str, Outcome]:
    """Kill a worker over a call that may run once, another over a repeatable one; then one works."""
    async with running_bridge(folder, workers=0) as bridge, bridge.claude() as client:
        calls = {}
        for tool in ("once", "repeatable"):
            worker = await bridge.add_worker(point)
            calls[tool] = await start_call(client, tool, label=tool)
            await killed(worker)
        await bridge.add_worker()
        return {tool: await outcome(bridge, client, tool, calls[tool]) for tool in calls}


async def outcome(bridge: Bridge, client: Client, label: str, call_id: str) -> Outcome:
    call = await end_of(client, call_id)
    return call["status"], call.get("failure"), len(bridge.runs(label))


async def test_a_call_that_was_leased_and_not_sent_is_run(tmp_path: Path) -> None:
    outcomes = await calls_after_a_worker_dies_at("call-leased", tmp_path)
    assert outcomes == {"once": DONE, "repeatable": DONE}


async def test_a_call_on_record_as_sent_may_have_run_though_no_byte_has_left(
    tmp_path: Path,
) -> None:
    outcomes = await calls_after_a_worker_dies_at("call-sent-at-recorded", tmp_path)
    assert outcomes == {"once": ("failed", INTERRUPTED, 0), "repeatable": DONE}


async def test_a_call_that_n8n_runs_is_sent_again_only_if_it_is_idempotent(tmp_path: Path) -> None:
    async with running_bridge(tmp_path) as bridge, bridge.claude() as client:
        calls = {
            tool: await start_call(client, tool, tool, LONG_S) for tool in ("once", "repeatable")
        }
        await wait_until(lambda: len(bridge.runs()) == 2, "n8n has both calls")
        bridge.workers[0].kill()
        await bridge.add_worker()
        outcomes = {tool: await outcome(bridge, client, tool, calls[tool]) for tool in calls}
    assert outcomes == {"once": ("failed", INTERRUPTED, 1), "repeatable": DONE_ASKED_TWICE}


async def test_a_call_whose_answer_was_not_yet_put_down_is_sent_again_only_if_it_is_idempotent(
    tmp_path: Path,
) -> None:
    outcomes = await calls_after_a_worker_dies_at("call-answered", tmp_path)
    assert outcomes == {"once": ("failed", INTERRUPTED, 1), "repeatable": DONE_ASKED_TWICE}


async def test_a_call_that_has_ended_stays_as_it_ended(tmp_path: Path) -> None:
    outcomes = await calls_after_a_worker_dies_at("call-settled", tmp_path)
    assert outcomes == {"once": DONE, "repeatable": DONE}


async def test_a_call_whose_web_process_died_before_it_woke_a_worker_is_run(tmp_path: Path) -> None:
    async with running_bridge(tmp_path, webs=0) as bridge:
        web = await bridge.add_web("call-recorded")
        await bridge.ask_the_doomed("once", label="orphan", seconds=0)
        await web.start()
        async with bridge.claude() as client:
            (call,) = (await use(client, "list_calls"))["calls"]
            assert await outcome(bridge, client, "orphan", call["call_id"]) == DONE


async def test_an_event_whose_sender_got_no_answer_is_there_once_when_sent_again(
    tmp_path: Path,
) -> None:
    async with running_bridge(tmp_path, webs=0, workers=0) as bridge:
        web = await bridge.add_web("event-recorded")
        with pytest.raises(httpx2.RemoteProtocolError):
            await bridge.send({"n": 1}, key="first")
        await killed(web)
        await web.start()
        answer = await bridge.send({"n": 1}, key="first")
        assert (answer.status_code, answer.json()["duplicate"]) == (200, True)
        async with bridge.claude() as client:
            (event,) = (await use(client, "list_events"))["events"]
        assert event["event_id"] == answer.json()["event_id"]


async def test_an_event_that_a_dying_web_process_took_goes_back_and_counts_no_attempt(
    tmp_path: Path,
) -> None:
    async with running_bridge(tmp_path, webs=0) as bridge:
        web = await bridge.add_web("event-taken")
        sent = (await bridge.send({"n": 1})).json()
        await bridge.ask_the_doomed("take_event")
        await web.start()
        async with bridge.claude() as client:
            event = await use(client, "take_event", wait_seconds=TAKEN_OVER_S)
        assert (event["event_id"], event["attempt"]) == (sent["event_id"], 1)


async def taken_for_an_execution(bridge: Bridge) -> tuple[str, dict[str, str]]:
    """Take the event of an execution that waits twice; give its id and the right to answer."""
    execution = await bridge.park("reply", "again")
    await bridge.send({"n": 1}, reply_url=execution["replyUrl"])
    async with bridge.claude() as client:
        event = await use(client, "take_event", wait_seconds=TAKEN_OVER_S)
    return execution["id"], {name: event[name] for name in ("event_id", "lease")}


async def delivery(bridge: Bridge, execution_id: str, event_id: str) -> tuple[Any, ...]:
    """Wait until a reply was delivered; tell what the execution got, waits for, and was asked."""

    async def is_delivered() -> bool:
        return bool((await bridge.event(event_id))["reply"]["status"] == "delivered")

    await wait_until(is_delivered, "the reply was delivered", TAKEN_OVER_S)
    execution = bridge.n8n.executions.find(execution_id)
    assert execution
    assert execution.wait
    asked = [seen.outcome for seen in bridge.n8n.seen.of() if seen.path.endswith("/reply")]
    return execution.resumed_with, execution.wait.suffix, asked


async def test_a_reply_whose_web_process_died_before_it_woke_a_worker_is_delivered_once(
    tmp_path: Path,
) -> None:
    async with running_bridge(tmp_path, webs=0) as bridge:
        web = await bridge.add_web("reply-recorded")
        execution_id, right = await taken_for_an_execution(bridge)
        await bridge.ask_the_doomed("reply_to_event", **right, reply="yes")
        await web.start()
        assert await delivery(bridge, execution_id, right["event_id"]) == ("yes", "again", [200])


async def delivery_after_a_worker_dies_at(point: str, folder: Path) -> tuple[Any, ...]:
    """Kill one worker over a reply; then another one works."""
    async with running_bridge(folder, workers=0) as bridge:
        worker = await bridge.add_worker(point)
        execution_id, right = await taken_for_an_execution(bridge)
        async with bridge.claude() as client:
            await use(client, "reply_to_event", **right, reply="yes")
        await killed(worker)
        await bridge.add_worker()
        return await delivery(bridge, execution_id, right["event_id"])


async def test_a_reply_that_was_leased_and_not_sent_is_delivered_once(tmp_path: Path) -> None:
    delivered = await delivery_after_a_worker_dies_at("reply-leased", tmp_path)
    assert delivered == ("yes", "again", [200])


async def test_a_reply_that_n8n_took_is_known_as_delivered_and_resumes_no_second_wait(
    tmp_path: Path,
) -> None:
    delivered = await delivery_after_a_worker_dies_at("reply-answered", tmp_path)
    assert delivered == ("yes", "again", [200, 404])


async def test_a_reply_that_was_delivered_is_not_sent_again(tmp_path: Path) -> None:
    delivered = await delivery_after_a_worker_dies_at("reply-settled", tmp_path)
    assert delivered == ("yes", "again", [200])

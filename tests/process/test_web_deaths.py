"""A web process that is killed between a record and what follows loses nothing it has accepted."""

from pathlib import Path

import httpx2
import pytest

from tests.bridge_processes import running_bridge
from tests.claude import use
from tests.journeys import TAKEN_OVER_S, Delivery, delivery, end_of, take_question


async def test_an_event_whose_sender_got_no_answer_is_there_once_when_sent_again(
    tmp_path: Path,
) -> None:
    async with running_bridge(tmp_path, webs=0, workers=0) as bridge:
        web = await bridge.add_web("event-recorded")
        with pytest.raises(httpx2.RemoteProtocolError):
            await bridge.send({"n": 1}, key="first")
        await web.ended()
        await web.start()
        answer = await bridge.send({"n": 1}, key="first")
        assert (answer.status_code, answer.json()["duplicate"]) == (200, True)
        async with bridge.claude() as client:
            (event,) = (await use(client, "list_events"))["events"]
        assert event["event_id"] == answer.json()["event_id"]


async def test_an_event_that_a_dying_process_took_goes_back_and_counts_no_attempt(
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


async def test_a_call_on_record_is_run_though_no_worker_was_woken(tmp_path: Path) -> None:
    async with running_bridge(tmp_path, webs=0) as bridge:
        web = await bridge.add_web("call-recorded")
        await bridge.ask_the_doomed("once", label="orphan", seconds=0)
        await web.start()
        async with bridge.claude() as client:
            (call,) = (await use(client, "list_calls"))["calls"]
            assert (await end_of(client, call["call_id"]))["status"] == "succeeded"
        assert len(bridge.runs()) == 1


async def test_a_reply_on_record_is_delivered_though_no_worker_was_woken(tmp_path: Path) -> None:
    async with running_bridge(tmp_path, webs=0) as bridge:
        web = await bridge.add_web("reply-recorded")
        async with bridge.claude() as client:
            question = await take_question(bridge, client)
        right = {"event_id": question.event_id, "lease": question.lease}
        await bridge.ask_the_doomed("reply_to_event", **right, reply="yes")
        await web.start()
        assert await delivery(bridge, question) == Delivery("yes", "again", [200])

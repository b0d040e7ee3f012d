"""A reply that may not have gone back with its request goes to its address, and no other does."""

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.bridge_processes import HOOK_PATH, HOOK_TOKEN, Bridge, running_bridge
from tests.claude import use
from tests.journeys import TAKEN_OVER_S, Delivery, Question, delivery
from tests.waiting import wait_until

WAITING, TAKERS = 100, 10


async def send(bridge: Bridge, reply_url: str, web: int = 0) -> httpx2.Response:
    headers = {
        "authorization": f"Bearer {HOOK_TOKEN}",
        "bridge-reply-url": reply_url,
        "prefer": "wait=40",
    }
    return await bridge.http.post(bridge.webs[web].url + HOOK_PATH, json="?", headers=headers)


async def reply(client: Any, value: Any) -> Any:
    """Take an event and answer it, from another web process than the sender's."""
    event = await use(client, "take_event", wait_seconds=TAKEN_OVER_S)
    right = {"event_id": event["event_id"], "lease": event["lease"]}
    await use(client, "reply_to_event", **right, reply=value)
    return event


async def test_a_reply_that_went_back_never_reaches_the_reply_address(tmp_path: Path) -> None:
    async with running_bridge(tmp_path) as bridge, bridge.claude() as client:
        parked = [await bridge.park("reply") for _ in range(WAITING)]
        sending = [asyncio.create_task(send(bridge, each["replyUrl"])) for each in parked]

        async def answer(taker: int) -> dict[str, int]:
            mine = range(taker, WAITING, TAKERS)
            return {(await reply(client, n))["event_id"]: n for n in mine}

        told = await asyncio.gather(*(answer(taker) for taker in range(TAKERS)))
        answered = {event_id: n for each in told for event_id, n in each.items()}
        assert len(answered) == WAITING
        answers = [answer.json() for answer in await asyncio.gather(*sending)]
        assert {answer["event_id"]: answer["reply"] for answer in answers} == answered
        for event_id in answered:

            async def is_delivered(event_id: str = event_id) -> bool:
                event = await bridge.event(event_id)
                return bool(event["reply"]["status"] == "delivered")

            await wait_until(is_delivered, "the reply counts as delivered")
        assert [s for s in bridge.n8n.seen.of() if s.path.startswith("/webhook-waiting/")] == []


async def test_a_reply_whose_process_died_before_it_was_written_goes_to_the_address(
    tmp_path: Path,
) -> None:
    async with running_bridge(tmp_path) as bridge, bridge.claude() as client:
        doomed = await bridge.add_web("reply-awaited")
        execution = await bridge.park("reply", "again")
        sending = asyncio.create_task(send(bridge, execution["replyUrl"], web=1))

        event = await reply(client, "yes")

        with pytest.raises(httpx2.TransportError):
            await sending
        await doomed.ended()
        question = Question(execution["id"], event["event_id"], event["lease"])
        assert await delivery(bridge, question) == Delivery("yes", "again", [200])


async def test_a_reply_that_was_written_but_not_settled_goes_to_the_address_as_well(
    tmp_path: Path,
) -> None:
    async with running_bridge(tmp_path) as bridge, bridge.claude() as client:
        doomed = await bridge.add_web("reply-written")
        execution = await bridge.park("reply", "again")
        sending = asyncio.create_task(send(bridge, execution["replyUrl"], web=1))

        event = await reply(client, "yes")

        assert (await sending).json()["reply"] == "yes"
        await doomed.ended()
        question = Question(execution["id"], event["event_id"], event["lease"])
        assert await delivery(bridge, question) == Delivery("yes", "again", [200])

"""A worker that dies while it tells a receiver leaves nothing out, and repeats one at most."""

import asyncio
import signal
from pathlib import Path

import pytest

from tests.bridge_processes import SERVER, TOKEN, running_bridge
from tests.doors.by_hand import Modern, request
from tests.doors.receiver import SECRET, receiving
from tests.tls import CERTIFICATE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

TIMES_TOLD = {"telling-leased": 1, "telling-posted": 2, "telling-advanced": 1}
"""How often the receiver hears of the event over which the worker died, by where that was."""


async def told_after(point: str, folder: Path) -> tuple[list[str], list[str]]:
    """Let a worker die over the first of two events; returns their ids, and the told ones."""
    folder.mkdir()
    async with receiving(folder, "localhost") as receiver:
        async with running_bridge(
            folder,
            workers=0,
            BRIDGE_EVENT_WEBHOOK_ORIGINS=receiver.url.partition("/hooks")[0],
            SSL_CERT_FILE=str(folder / CERTIFICATE),
        ) as bridge:
            client = Modern(bridge.http, f"{bridge.webs[0].url}/mcp/{SERVER}", TOKEN)
            delivery = {"mode": "webhook", "url": receiver.url, "secret": SECRET}
            begun = await client.post(
                request("events/subscribe", name="question", delivery=delivery)
            )
            assert begun.json()["result"]["id"]
            first = (await bridge.send("first")).json()["event_id"]
            doomed = await bridge.add_worker(point)
            assert await doomed.ended() == -signal.SIGKILL
            second = (await bridge.send("second")).json()["event_id"]
            await bridge.add_worker()
            await receiver.heard(TIMES_TOLD[point] + 1, timeout_s=60)
        return [first, second], receiver.told


async def test_what_comes_is_told_in_order_wherever_a_worker_dies(tmp_path: Path) -> None:
    found = await asyncio.gather(*(told_after(point, tmp_path / point) for point in TIMES_TOLD))
    for times, (sent, told) in zip(TIMES_TOLD.values(), found, strict=True):
        assert told == [sent[0]] * times + sent[1:]

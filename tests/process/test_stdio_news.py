"""News on stdin and stdout: who subscribed to an inbox is told what comes and goes there."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.bridge_processes import SERVER, Bridge, running_bridge
from tests.stdio_program import META, stdio_program

UPDATED = "notifications/resources/updated"


@pytest.fixture
async def bridge(tmp_path: Path) -> AsyncIterator[Bridge]:
    async with running_bridge(tmp_path) as running:
        yield running


async def test_a_session_is_told_what_comes_and_goes_until_it_has_heard_enough(
    bridge: Bridge,
) -> None:
    async with stdio_program(bridge.environ) as program:
        told = await program.shake_hands()
        assert told["capabilities"]["resources"]["subscribe"]
        inbox = (await program.ask("resources/list"))["resources"][0]["uri"]
        assert inbox.startswith(f"event://{SERVER}/")
        assert await program.ask("resources/subscribe", uri=inbox) == {}
        await bridge.send({"for": "stdio"})
        assert await program.told(UPDATED) == {"uri": inbox}
        await program.use("take_event")
        assert await program.told(UPDATED) == {"uri": inbox}
        assert await program.ask("resources/unsubscribe", uri=inbox) == {}


async def test_a_listener_is_told_what_comes(bridge: Bridge) -> None:
    async with stdio_program(bridge.environ, envelope=META) as program:
        inbox = (await program.ask("resources/list"))["resources"][0]["uri"]
        program.request("subscriptions/listen", notifications={"resourceSubscriptions": [inbox]})
        await program.told("notifications/subscriptions/acknowledged")
        await bridge.send({"for": "stdio"})
        assert (await program.told(UPDATED))["uri"] == inbox


async def test_occurrences_are_streamed(bridge: Bridge) -> None:
    async with stdio_program(bridge.environ, envelope=META) as program:
        (hook, *_) = (await program.ask("events/list"))["events"]
        program.request("events/stream", name=hook["name"], cursor=None)
        await program.told("notifications/events/active")
        await bridge.send({"for": "stdio"})
        occurrence = await program.told("notifications/events/event")
        assert occurrence["data"]["payload"] == {"for": "stdio"}

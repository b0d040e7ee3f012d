"""News on stdin and stdout: inboxes that a client subscribed to, and lists that it listens for."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.mcp.change_watch import PAUSE_S
from tests.bridge_processes import SERVER, Bridge, running_bridge
from tests.stdio_program import META, stdio_here

UPDATED = "notifications/resources/updated"


@pytest.fixture(scope="module")
async def bridge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bridge]:
    async with running_bridge(tmp_path_factory.mktemp("news")) as running:
        yield running


async def test_a_session_is_told_what_comes_and_goes_until_it_has_heard_enough(
    bridge: Bridge,
) -> None:
    async with stdio_here(bridge.environ) as program:
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
        told_before = len(program.heard)
        await bridge.send({"for": "nobody"})
        await program.use("inline", label="two looks", seconds=2 * PAUSE_S)
        assert all(frame.get("method") != UPDATED for frame in program.heard[told_before:])


async def test_a_listener_is_told_what_comes(bridge: Bridge) -> None:
    async with stdio_here(bridge.environ, envelope=META) as program:
        inbox = (await program.ask("resources/list"))["resources"][0]["uri"]
        wanted = {"resourceSubscriptions": [inbox], "resourcesListChanged": True}
        program.request("subscriptions/listen", notifications=wanted)
        acknowledged = await program.told("notifications/subscriptions/acknowledged")
        assert acknowledged["notifications"] == wanted
        await bridge.send({"for": "stdio"})
        await program.told("notifications/resources/list_changed")
        assert (await program.told(UPDATED))["uri"] == inbox


async def test_who_listens_again_under_another_server_file_is_told_that_the_tools_are_others(
    bridge: Bridge, tmp_path: Path
) -> None:
    file = Path(bridge.environ["BRIDGE_SERVERS"], f"{SERVER}.json")
    fewer = {**json.loads(file.read_text()), "workflows": {}}
    (tmp_path / file.name).write_text(json.dumps(fewer))
    wanted = {"toolsListChanged": True, "promptsListChanged": True}
    async with stdio_here(bridge.environ, envelope=META) as program:
        program.request("subscriptions/listen", notifications=wanted)
        await program.told("notifications/subscriptions/acknowledged")
        await program.use("list_events")
        told = [frame["method"] for frame in program.heard if "method" in frame]
        assert told == ["notifications/subscriptions/acknowledged"]
    changed = {**bridge.environ, "BRIDGE_SERVERS": str(tmp_path)}
    async with stdio_here(changed, envelope=META) as program:
        program.request("subscriptions/listen", notifications=wanted)
        await program.told("notifications/tools/list_changed")


async def test_occurrences_are_streamed(bridge: Bridge) -> None:
    async with stdio_here(bridge.environ, envelope=META) as program:
        (hook, *_) = (await program.ask("events/list"))["events"]
        program.request("events/stream", name=hook["name"], cursor=None)
        await program.told("notifications/events/active")
        await bridge.send({"for": "stdio"})
        occurrence = await program.told("notifications/events/event")
        assert occurrence["data"]["payload"] == {"for": "stdio"}

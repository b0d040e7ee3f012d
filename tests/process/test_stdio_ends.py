"""What becomes of answers over stdio that nobody has read, and how the program ends."""

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.bridge_processes import Bridge, running_bridge
from tests.stdio_program import META, PATIENCE_S, Program, stdio_here, stdio_program
from tests.waiting import wait_until

SOON_S = 10.0
"""How soon the program ends on a loaded machine, whatever waits; on an idle one within two."""

PIPE_BYTES = 1 << 16
LISTED = 100
ATTACHED = "n8n-claude-bridge/attached"


@pytest.fixture(scope="module")
async def bridge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bridge]:
    async with running_bridge(tmp_path_factory.mktemp("stdio")) as running:
        yield running


async def status_of(bridge: Bridge, event_id: str) -> tuple[str, int]:
    event = await bridge.event(event_id)
    return event["status"], event["attempt"]


async def end_in_time(program: Program) -> None:
    now = asyncio.get_running_loop().time
    began_at = now()
    await program.rest()
    assert await program.ended() == 0
    assert (program.torn, now() - began_at < SOON_S) == (b"", True)


async def fill(program: Program, bridge: Bridge) -> None:
    """Have the pipe full, and more to write."""
    for _ in range(LISTED):
        await bridge.send("x" * 500)
    program.stop_reading()
    for _ in range(3):
        program.call("list_events", limit=LISTED, response_format="detailed")
    await wait_until(lambda: program.unread_bytes() >= PIPE_BYTES, "the pipe is full", PATIENCE_S)


async def test_a_call_whose_client_vanished_is_joined_by_the_same_again(bridge: Bridge) -> None:
    asked = {"label": "vanished", "seconds": 1}
    async with stdio_program(bridge.environ) as program:
        await program.shake_hands()
        program.call("joined", **asked)
        await wait_until(lambda: bridge.runs("vanished"), "the call was sent", PATIENCE_S)
        program.vanish()
        assert await program.ended() == 0
    async with stdio_program(bridge.environ, envelope=META) as program:
        assert (await program.use("joined", **asked))["result"]["label"] == "vanished"
    assert len(bridge.runs("vanished")) == 1


async def test_an_answer_that_stayed_in_the_pipe_is_given_again(bridge: Bridge) -> None:
    asked = {"label": "unread", "seconds": 0}
    async with stdio_here(bridge.environ) as program:
        await program.shake_hands()
        program.stop_reading()
        program.call("joined", **asked)
        await wait_until(program.unread_bytes, "the answer is in the pipe", PATIENCE_S)
        program.vanish()
        assert await program.ended() == 0
    async with stdio_here(bridge.environ) as program:
        await program.shake_hands()
        result = await program.ask("tools/call", name="joined", arguments=asked)
        assert ATTACHED in result["_meta"]
    assert len(bridge.runs("unread")) == 1


async def test_the_same_call_runs_anew_once_its_answer_was_read(bridge: Bridge) -> None:
    labels = [f"read {n}" for n in range(10)]
    async with stdio_here(bridge.environ) as program:
        await program.shake_hands()
        for label in labels:
            for _ in range(2):
                assert (await program.use("joined", label=label, seconds=0))["label"] == label
    assert [len(bridge.runs(label)) for label in labels] == [2] * 10


async def test_an_event_that_stayed_in_the_pipe_goes_back_uncounted(bridge: Bridge) -> None:
    event_id = (await bridge.send("to nobody")).json()["event_id"]
    async with stdio_here(bridge.environ) as program:
        await program.shake_hands()
        program.stop_reading()
        program.call("take_event", event_id=event_id)
        await wait_until(program.unread_bytes, "the event is in the pipe", PATIENCE_S)
        assert await status_of(bridge, event_id) == ("leased", 1)
        program.vanish()
        assert await program.ended() == 0
    assert await status_of(bridge, event_id) == ("queued", 0)


async def test_what_was_read_is_its_client_s_who_then_leaves(bridge: Bridge) -> None:
    asked = {"label": "taken and left", "seconds": 0}
    sent = [(await bridge.send(how)).json()["event_id"] for how in ("asked more", "left")]
    for event_id in sent:
        async with stdio_here(bridge.environ) as program:
            await program.shake_hands()
            if event_id == sent[0]:
                await program.use("take_event", event_id=event_id)
                await program.ask("ping")
            await program.use("joined", **asked)
            if event_id == sent[1]:
                await program.use("take_event", event_id=event_id)
            program.vanish()
            assert await program.ended() == 0
    assert [await status_of(bridge, event_id) for event_id in sent] == [("leased", 1)] * 2
    assert len(bridge.runs("taken and left")) == 2


async def test_a_killed_program_leaves_its_events_to_others(bridge: Bridge) -> None:
    event_id = (await bridge.send("killed")).json()["event_id"]
    async with stdio_program(bridge.environ) as program:
        await program.shake_hands()
        program.stop_reading()
        program.call("take_event", event_id=event_id)
        await wait_until(program.unread_bytes, "the event is in the pipe", PATIENCE_S)
        program.process.kill()
        await program.process.wait()

    async def is_back() -> bool:
        return await status_of(bridge, event_id) == ("queued", 0)

    await wait_until(is_back, "the event is queued again", 20)


@pytest.mark.parametrize("envelope", [META, None], ids=["2026", "handshake"])
@pytest.mark.parametrize("how", ["SIGTERM", "end of input"])
async def test_it_ends_soon_and_answers_what_waits(
    bridge: Bridge, how: str, envelope: dict[str, Any] | None
) -> None:
    label = f"long, {how}, {len(envelope or {})}"
    async with stdio_program(bridge.environ, envelope=envelope) as program:
        if envelope is None:
            await program.shake_hands()
        else:
            program.request("subscriptions/listen", notifications={"toolsListChanged": True})
        waiting = program.call("take_event", hook="question", wait_seconds=300)
        running = program.call("inline", label=label, seconds=60)
        await wait_until(lambda: bridge.runs(label), "the call was sent", PATIENCE_S)
        if how == "SIGTERM":
            program.process.send_signal(signal.SIGTERM)
        else:
            program.close_input()
        await end_in_time(program)
        answers = {frame.get("id"): frame["result"] for frame in program.heard if "id" in frame}
    assert waiting in answers
    assert answers[running]["structuredContent"]["status"] == "running"


async def test_a_slow_reader_gets_every_frame_whole(bridge: Bridge) -> None:
    async with stdio_here(bridge.environ) as program:
        await program.shake_hands()
        await fill(program, bridge)
        last = program.call("joined", label="behind", seconds=0)
        await wait_until(lambda: bridge.runs("behind"), "the call ran unread", PATIENCE_S)
        program.read_on()
        result = (await program.answer(last))["result"]
        assert result["structuredContent"]["label"] == "behind"
        program.close_input()
        await end_in_time(program)


async def test_a_reader_that_closes_in_the_middle_of_a_frame_ends_it(bridge: Bridge) -> None:
    async with stdio_here(bridge.environ) as program:
        await program.shake_hands()
        await fill(program, bridge)
        program.close_output()
        assert await program.ended() == 0

"""Rolling restarts: every process is replaced in turn, and no client notices.

On the 2026 wire and the 2025 one it is the official client; over HTTP+SSE, where that one does not
come back, it is a client that does as Claude Code does.
"""

import asyncio
import contextlib
import itertools
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

from tests.attached import own_result
from tests.bridge_processes import TOKEN, Child
from tests.chaos.asking import Ask, Claude
from tests.chaos.server_file import SERVER
from tests.chaos.storm import Storm
from tests.claude import Spread, claude, use

LONGEST_CALL_S = 5.0
"""Shorter than the drain, and longer than a stream of the 2026 wire takes to open."""

READ_FOR_S = 30

Use = Callable[..., Awaitable[dict[str, Any]]]


@dataclass
class Restarts:
    """What was done and what came of it; `failures` are calls that a client saw fail."""

    restarts: int = 0
    calls: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def sentence(self) -> str:
        """Report what came of it."""
        return (
            f"Rolling restarts: {self.restarts}; {self.calls} calls meanwhile, "
            f"{len(self.failures)} failed."
        )


async def roll(storm: Storm, rounds: int, clients: int) -> Restarts:
    """Replace each web process and each worker `rounds` times while clients of all wires call."""
    done, stop, numbers = Restarts(), asyncio.Event(), itertools.count()
    async with contextlib.AsyncExitStack() as stack:
        uses = {
            (wire, number): await stack.enter_async_context(connected(storm, wire, number))
            for number in range(clients)
            for wire in ("2026-07-28", "legacy", "sse-by-name", "sse-by-id")
        }
        working = [
            asyncio.create_task(_call_on(wire, use_it, numbers, stop, done))
            for (wire, _), use_it in uses.items()
        ]
        for child in [*storm.bridge.webs, *storm.bridge.workers] * rounds:
            await _replace(child)
            done.restarts += 1
        stop.set()
        await asyncio.gather(*working)
    seen = storm.bridge.runs()
    done.failures += [f"{len(seen)} runs of {done.calls} calls"] * (len(seen) != done.calls)
    return done


async def _replace(child: Child) -> None:
    child.send_signal(signal.SIGTERM)
    assert await child.ended() == 0
    await child.start()


async def _call_on(
    wire: str, use_it: Use, numbers: "itertools.count[int]", stop: asyncio.Event, done: Restarts
) -> None:
    chance = Random(next(numbers))
    while not stop.is_set():
        label = f"rolling-{next(numbers)}"
        done.calls += 1
        seconds = round(chance.choice((0, chance.uniform(0, LONGEST_CALL_S))), 2)
        try:
            told = own_result(await use_it("once", label=label, seconds=seconds)) or {}
            while "next" in told or told.get("status") in ("queued", "running"):
                told = await use_it("read_call", call_id=told["call_id"], wait_seconds=READ_FOR_S)
            result = told.get("result", told)
        except Exception as error:  # noqa: BLE001  whatever a client raises is what counts here
            done.failures.append(f"{wire}, {label}: {error!r}")
            return
        else:
            done.failures += [f"{wire}, {label}: {told}"] * (result.get("label") != label)


@contextlib.asynccontextmanager
async def connected(
    storm: Storm, wire: Literal["2026-07-28", "legacy", "sse-by-name", "sse-by-id"], number: int
) -> AsyncIterator[Use]:
    """Connect one client behind the proxy; it is never connected anew."""
    if wire in ("2026-07-28", "legacy"):
        url = storm.steady.url
        async with claude(SERVER, TOKEN, wire, Spread([url]), url) as client:

            async def use_it(tool: str, **arguments: Any) -> dict[str, Any]:
                return await use(client, tool, **arguments)

            yield use_it
    else:
        _, standing = await storm.claude(wire, f"rolling-{number}")
        use_by_hand = by_hand(standing)
        await use_by_hand("list_calls")
        yield use_by_hand


def by_hand(client: Claude) -> Use:
    """Use a client that is ours."""

    async def use_it(tool: str, **arguments: Any) -> dict[str, Any]:
        answer = await client.ask(Ask(tool, arguments))
        assert "result" in answer, answer
        assert not answer["result"].get("isError"), answer
        told: dict[str, Any] = answer["result"]["structuredContent"]
        return told

    return use_it

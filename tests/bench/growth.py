"""Whether what is there already makes what comes slower."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass

from typing_extensions import override

from tests.bench.connection import Connection, spell
from tests.bench.figures import Figure, Goal, Row
from tests.bench.load import Load, Question, Work, press
from tests.bench.program import Program
from tests.bench.scale import Scale
from tests.bench.stage import CLAUDE, N8N, set_up
from tests.bench.streams import HELLO
from tests.bench.tool_call import spelled

FLAT = 1.2
EVENT = Question(
    spell("POST", "/hooks/demo/question", N8N, {"question": "Which plan fits us?"}), 202, b"queued"
)
LIST = Question(spelled("/mcp/demo", "list_events", 1, {"limit": 10}), 200, b'"events"')
SESSION = Question(
    spell(
        "POST",
        "/mcp-2025/demo",
        {**CLAUDE, "accept": "application/json, text/event-stream"},
        {**HELLO, "params": {**HELLO["params"], "protocolVersion": "2025-11-25"}},
    ),
    200,
    b'"serverInfo"',
)
FILLING_CLIENTS = 64
SOME = 100
"""So many events at least where what is asked wants to find some."""


@dataclass(frozen=True)
class TakeAndRelease(Work):
    """Take the oldest event, and give it back to where it was."""

    @override
    async def done(self, connection: Connection) -> bytes:
        take = Question(spelled("/mcp/demo", "take_event", 1, {}), 200, b'"lease"')
        taken = json.loads(await take.done(connection))["result"]["structuredContent"]
        given = {name: taken[name] for name in ("event_id", "lease")}
        release = spelled("/mcp/demo", "release_event", 2, {**given, "reason": "measured"})
        return await Question(release, 200, b'"isError":false').done(connection)


async def measure(scale: Scale) -> Row:
    """Ask the same of a store with few and with many events, and with few and many sessions."""
    figures: list[Figure] = []
    found = tuple(max(SOME, count) for count in scale.queued)
    for name, filling, work, counts in (
        ("a hook request", EVENT, EVENT, scale.queued),
        ("list_events", EVENT, LIST, found),
        ("take_event and release_event", EVENT, TakeAndRelease(), found),
        ("a handshake", SESSION, SESSION, scale.handshakes),
    ):
        unit = "sessions" if filling is SESSION else "events"
        loads = await _loads(filling, work, counts, scale)
        least, *more = counts
        figures += [
            Figure(
                f"{name}, {count:,} {unit}: p50 ms",
                [load.p50_ms for load in loads[count]],
                f"{least:,} {unit}",
                [load.p50_ms for load in loads[least]],
                goal=Goal(FLAT),
            )
            for count in more
        ]
    return Row(
        "Growth",
        "One client asks the same of a store that holds little and much: open events of a hook "
        "that wait in its queue, and sessions of the 2025-11-25 wire.",
        figures,
        ("The store only grows, so these rounds are not in turns: first all on little.",),
    )


async def _loads(
    filling: Question, work: Work, counts: tuple[int, ...], scale: Scale
) -> dict[int, list[Load]]:
    async with set_up() as stage, stage.web() as web:
        found: dict[int, list[Load]] = {}
        held = 0
        for count in counts:
            await _fill(web, filling, count - held)
            held = count
            again: Iterator[Work] = itertools.repeat(work)
            await press(web.port, 1, scale.warm_s, again)
            found[count] = [
                await press(web.port, 1, scale.load_s / 2, again) for _ in range(scale.rounds)
            ]
        return found


async def _fill(web: Program, filling: Question, count: int) -> None:
    """Have so many more in the store."""
    if count > 0:
        await press(web.port, FILLING_CLIENTS, 3600, itertools.repeat(filling, count))

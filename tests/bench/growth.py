"""Whether what is there already makes what comes slower."""

import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from typing_extensions import override

from tests.bench.connection import Connection, spell
from tests.bench.figures import Figure, Goal, Row
from tests.bench.filling import fill_events, fill_sessions
from tests.bench.load import MEASURES, Question, Side, Work, in_turns
from tests.bench.program import Program
from tests.bench.scale import Scale
from tests.bench.stage import CLAUDE, N8N, Stage, set_up
from tests.bench.streams import HELLO
from tests.bench.tool_call import spelled

FLAT = 1.2
VERSION = "2025-11-25"
BODY = {"question": "Which plan fits us?"}
EVENT = Question(spell("POST", "/hooks/demo/question", N8N, BODY), 202, b"queued")
LIST = Question(spelled("/mcp/demo", "list_events", 1, {"limit": 10}), 200, b'"events":[{')
IN_2025 = {**CLAUDE, "accept": "application/json, text/event-stream"}
SESSION = Question(
    spell(
        "POST",
        "/mcp-2025/demo",
        IN_2025,
        {**HELLO, "params": {**HELLO["params"], "protocolVersion": VERSION}},
    ),
    200,
    b'"serverInfo"',
)

Filling = Callable[[Stage, int], Awaitable[None]]


@dataclass(frozen=True)
class Answered(Work):
    """An event comes in; the oldest is taken and answered, so that as many wait as before."""

    @override
    async def done(self, connection: Connection) -> bytes:
        await EVENT.done(connection)
        take = Question(spelled("/mcp/demo", "take_event", 1, {}), 200, b'"lease"')
        taken = json.loads(await take.done(connection))["result"]["structuredContent"]
        lease = {name: taken[name] for name in ("event_id", "lease")}
        reply = spelled("/mcp/demo", "reply_to_event", 2, {**lease, "reply": {"answer": "Pro."}})
        return await Question(reply, 200, b'"answered"').done(connection)


class Ping(Work):
    """A request of one session, which is a sign of its life."""

    def __init__(self) -> None:
        self._question: Question | None = None

    @override
    async def done(self, connection: Connection) -> bytes:
        if self._question is None:
            begun = await connection.ask(SESSION.request)
            session = {"mcp-session-id": begun.headers["mcp-session-id"]}
            headers = {**IN_2025, **session, "mcp-protocol-version": VERSION}
            ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
            self._question = Question(spell("POST", "/mcp-2025/demo", headers, ping), 200, b"{}")
        return await self._question.done(connection)


@dataclass(frozen=True)
class Store:
    """A store that holds so much, and the web process in front of it."""

    count: int
    stage: Stage
    web: Program


async def measure(scale: Scale) -> Row:
    """Ask the same of stores that hold little and much, one after the other in each round."""
    figures: list[Figure] = []
    async with _stores(_fill_events, scale.queued) as stores:
        figures += await _compared("a hook request", lambda: EVENT, "events", stores, scale)
        figures += await _compared("list_events", lambda: LIST, "events", stores, scale)
        figures += await _compared("an event taken and answered", Answered, "events", stores, scale)
    async with _stores(_fill_sessions, scale.handshakes) as stores:
        figures += await _compared("a handshake", lambda: SESSION, "sessions", stores, scale)
        figures += await _compared("a ping in a session", Ping, "sessions", stores, scale)
    return Row(
        "Growth",
        "One client asks the same of a store that holds little and of one that holds much: open "
        "events of a hook that wait in its queue, and sessions of the 2025-11-25 wire. The time "
        "that an answer takes, and the CPU of the web process and of Valkey.",
        figures,
        (
            "What is there before was written by the steps that requests end in, 256 a round trip, "
            "and not by requests. The stores of one kind stand side by side and are asked in "
            "turns; the empty one fills a little meanwhile.",
        ),
    )


async def _fill_events(stage: Stage, count: int) -> None:
    await fill_events(stage, json.dumps(BODY).encode(), count)


async def _fill_sessions(stage: Stage, count: int) -> None:
    await fill_sessions(stage, VERSION, count)


@contextlib.asynccontextmanager
async def _stores(filling: Filling, counts: Sequence[int]) -> AsyncIterator[list[Store]]:
    """Have a store with each count, all at once."""
    async with contextlib.AsyncExitStack() as stack:
        stores = []
        for count in counts:
            stage = await stack.enter_async_context(set_up())
            await filling(stage, count)
            stores.append(Store(count, stage, await stack.enter_async_context(stage.web())))
        yield stores


async def _compared(
    name: str, work: Callable[[], Work], unit: str, stores: Sequence[Store], scale: Scale
) -> list[Figure]:
    """Ask each store in turns; what holds most is to cost no more than what holds least."""
    sides = [
        Side(
            f"{store.count:,} {unit}",
            store.web.port,
            itertools.repeat(work()),
            (store.web.pid, store.stage.valkey_pid),
        )
        for store in stores
    ]
    shorter = replace(scale, load_s=scale.load_s / 2)  # for there are many
    (least, few), *more = zip(sides, await in_turns(sides, 1, shorter), strict=True)
    return [
        Figure(
            MEASURES[measure].format(f"{name}, {side.name}"),
            [getattr(load, measure) for load in loads],
            least.name,
            [getattr(load, measure) for load in few],
            goal=Goal(FLAT),
        )
        for side, loads in more
        for measure in ("p50_ms", "cpu_ms")
    ]

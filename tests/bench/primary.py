"""What one Valkey carries by itself: the step that takes in an event, in growing batches."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from typing_extensions import override

from bridge.models import Body, new_event_id
from bridge.store.assembly import Script
from bridge.store.events import EventStore, NewEvent
from bridge.store.steps import Steps
from tests.bench.cpu import cpu_s
from tests.bench.figures import Figure, Row
from tests.bench.scale import Scale
from tests.bench.stage import Stage, set_up

BODY = b'{"question":"Which plan fits us?","body":"' + b"x" * 980 + b'"}'
DAY_S = 86400
XADD = "XADD of the same bytes"
CHANNEL, SIGNAL, PUBLISHED = "bench", b"events:demo", 2000
END = b"+PONG\r\n"

Command = tuple[bytes | str | int, ...]


@dataclass(frozen=True)
class Carried:
    """What Valkey did with commands that were sent ready-made."""

    per_s: float
    cpu_ms: float


class RecordedError(Exception):
    """A step was written down in place of being run."""


class Recorder(Steps):
    """Writes down a step's command in place of running it."""

    def __init__(self) -> None:
        self.recorded: list[tuple[Script, Command]] = []

    @override
    async def take(self, script: Script, command: Command, decode: Callable[[Any], Any]) -> Any:
        self.recorded.append((script, command))
        raise RecordedError


async def measure(scale: Scale) -> Row:
    """Send as many steps a round trip as the writer of a web process gathers, or fewer."""
    figures: list[Figure] = []
    async with set_up() as stage:
        for size in scale.batches:
            ours: list[Carried] = []
            theirs: list[Carried] = []
            for _ in range(scale.rounds):
                ours.append(await _steps(stage, size, scale.batches_sent))
                theirs.append(await _adds(stage, size, scale.batches_sent))
            figures += _compared(f"batches of {size}: events", ours, theirs)
        for count in scale.subscribers:
            heard = [await _published(stage, count) for _ in range(scale.rounds)]
            figures.append(
                Figure(
                    f"a signal to {count} processes, ms of Valkey's CPU",
                    [each.cpu_ms for each in heard],
                )
            )
    return Row(
        "What one Valkey carries",
        "The step that takes in an event of 1 KB, sent ready-made over one connection in batches, "
        "each flushed to the disk before it is answered (`appendfsync always`); beside it XADD in "
        "the same batches. Then short messages published to one channel that so many processes "
        "listen to.",
        figures,
        ("A web process sends at most 256 steps a batch.",),
    )


def _compared(what: str, ours: list[Carried], theirs: list[Carried]) -> list[Figure]:
    return [
        Figure(
            f"{what}/s",
            [each.per_s for each in ours],
            XADD,
            [each.per_s for each in theirs],
            more_is_better=True,
        ),
        Figure(
            f"{what}, ms of Valkey's CPU each",
            [each.cpu_ms for each in ours],
            XADD,
            [each.cpu_ms for each in theirs],
        ),
    ]


async def _steps(stage: Stage, size: int, batches: int) -> Carried:
    recorder = Recorder()
    store = EventStore(recorder)
    for _ in range(size * batches):
        with contextlib.suppress(RecordedError):
            await store.accept(_event())
    script = recorder.recorded[0][0]
    await stage.clear()
    async with stage.redis() as client:
        await client.script_load(script.text)
    return await _carried(stage, [command for _, command in recorder.recorded], size)


def _event() -> NewEvent:
    return NewEvent(
        event_id=new_event_id(),
        server="demo",
        hook="question",
        body=Body(BODY, "application/json"),
        summary=BODY[:200].decode(),
        digest="",
        idempotency="",
        reply_url="",
        reply_deadline="",
        default_reply="",
        lease_s=900,
        max_attempts=5,
        answer_within_s=900,
        ttl_s=14 * DAY_S,
    )


async def _adds(stage: Stage, size: int, batches: int) -> Carried:
    await stage.clear()
    command: Command = ("XADD", "events", "*", "body", BODY)
    return await _carried(stage, [command] * size * batches, size)


async def _published(stage: Stage, subscribers: int) -> Carried:
    """Publish one message after the other while so many connections listen."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(subscribers):
            listener = await stack.enter_async_context(connected(stage))
            await listener.sent([("SUBSCRIBE", CHANNEL)], b":1\r\n")
            stack.push_async_callback(listener.end_reading)
            listener.read_on()
        command: Command = ("PUBLISH", CHANNEL, SIGNAL)
        return await _carried(stage, [command] * PUBLISHED, 1)


async def _carried(stage: Stage, commands: list[Command], size: int) -> Carried:
    """Send commands in batches of one size, each batch once the one before is answered."""
    batches = [
        packed([*commands[start : start + size], ("PING",)])
        for start in range(0, len(commands), size)
    ]
    async with connected(stage) as connection:
        began, used_s = perf_counter(), cpu_s([stage.valkey_pid])
        for batch in batches:
            answer = await connection.asked(batch, END)
            assert b"-ERR" not in answer, answer[:300]
        took_s, count = perf_counter() - began, len(commands)
        return Carried(count / took_s, (cpu_s([stage.valkey_pid]) - used_s) / count * 1000)


class RawConnection:
    """A connection to Valkey that is written to as it is, and read up to known bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._reading: asyncio.Task[None] | None = None

    async def asked(self, request: bytes, end: bytes) -> bytes:
        """Send commands, packed, and read what comes up to `end`."""
        self._writer.write(request)
        return await self._reader.readuntil(end)

    async def sent(self, commands: list[Command], end: bytes) -> None:
        """Send commands and wait until they are answered."""
        await self.asked(packed(commands), end)

    def read_on(self) -> None:
        """Take in all that comes, until the reading is ended."""

        async def read() -> None:
            while await self._reader.read(1 << 16):
                pass

        self._reading = asyncio.create_task(read())

    async def end_reading(self) -> None:
        """Stop taking in what comes."""
        assert self._reading
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)


@contextlib.asynccontextmanager
async def connected(stage: Stage) -> AsyncIterator[RawConnection]:
    """Connect to the stage's Valkey by its socket."""
    path = str(stage.directory / "valkey" / "valkey.sock")
    reader, writer = await asyncio.open_unix_connection(path, limit=1 << 24)
    try:
        yield RawConnection(reader, writer)
    finally:
        writer.close()


def packed(commands: list[Command]) -> bytes:
    """Spell commands as Redis reads them."""
    parts: list[bytes] = []
    for command in commands:
        parts.append(b"*%d\r\n" % len(command))
        for each in command:
            value = each if isinstance(each, bytes) else str(each).encode()
            parts.append(b"$%d\r\n%b\r\n" % (len(value), value))
    return b"".join(parts)

"""Clients that start the program, call tools, and come to an end at random."""

import asyncio
import json
import os
import random
import signal
import sys
from asyncio.subprocess import PIPE
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bridge.local.die_with_parent import tied_to_parent
from tests.bridge_processes import ROOT, SERVER
from tests.stdio.book import Ask, Book
from tests.stdio.reader import Reader
from tests.stdio_program import LATEST_HANDSHAKE, META

AT_ONCE = 20
END_S = 20.0
STALLED_S = 90.0
SMALLEST_READ, BIGGEST_READ = 4_000, 1 << 17

VANISH, SHUT_OUTPUT, SHUT_INPUT, TERMINATE = ENDS = (
    "killed",
    "stdout closed",
    "stdin closed",
    "SIGTERM",
)
PATIENCE = 0.1
"""How likely a client that has had enough leaves between two frames; else in the middle of one."""

WEIGHTS = (5, 2, 2, 1)
"""How often a client is killed, closes one of its pipes, or ends the program."""


class Life:
    """One run of the program and its client, from the start to a random end."""

    def __init__(self, book: Book, left: deque[Ask], chance: random.Random, answers: int) -> None:
        self._book = book
        self._left = left
        self._chance = chance
        self._answers_left = answers
        self._is_modern = chance.random() < 0.5
        self._open: dict[int, Ask] = {}
        self._is_over = asyncio.Event()
        self._next_id = 1
        self._writer: asyncio.StreamWriter | None = None
        self._how = "on its own"
        self._is_bad = False

    async def live(self, environ: Mapping[str, str], log: Path) -> None:
        """Start, call, end; what was not answered is asked again in another life."""
        ours, theirs = os.pipe()
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                *tied_to_parent(sys.executable, "-m", "bridge", "stdio", SERVER),
                cwd=ROOT,
                env=dict(environ),
                stdin=PIPE,
                stdout=theirs,
                stderr=errors,
            )
        os.close(theirs)
        self._writer = process.stdin
        reader = Reader(ours, self._read_size, self._take, lambda: self._go_on(reader))
        try:
            self._begin()
            await self._call_on(reader)
            await self._end(process, reader)
        finally:
            reader.close()
            if process.returncode is None:
                process.kill()
                await process.wait()
        self._account(process.returncode, reader)

    def _read_size(self) -> int:
        return self._chance.randint(SMALLEST_READ, BIGGEST_READ)

    def _say(self, message: Mapping[str, Any]) -> None:
        assert self._writer
        if not self._writer.is_closing():
            self._writer.write(json.dumps(message).encode() + b"\n")

    def _begin(self) -> None:
        self._book.starts += 1
        if not self._is_modern:
            client = {"name": "storm", "version": "1"}
            terms = {"protocolVersion": LATEST_HANDSHAKE, "capabilities": {}, "clientInfo": client}
            self._say({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": terms})
            self._say({"jsonrpc": "2.0", "method": "notifications/initialized"})
        self._ask_on()

    def _ask_on(self) -> None:
        while self._left and len(self._open) < AT_ONCE and not self._is_over.is_set():
            ask, request_id = self._left.popleft(), self._next_id
            self._next_id += 1
            self._open[request_id] = ask
            ask.asked += 1
            params = {"name": ask.tool, "arguments": ask.arguments}
            params |= {"_meta": META} if self._is_modern else {}
            asking = {"jsonrpc": "2.0", "id": request_id, "method": "tools/call"}
            self._say({**asking, "params": params})

    def _take(self, frame: dict[str, Any]) -> None:
        ask = self._open.pop(frame.get("id", 0), None)
        if ask is None:
            return
        ask.settle(frame)
        if not ask.is_settled:
            self._left.append(ask)
        self._answers_left -= 1

    def _go_on(self, reader: Reader) -> None:
        """Ask more once all is dealt with that one read gave; or have had enough."""
        is_enough = self._answers_left <= 0 and (reader.rest or self._chance.random() < PATIENCE)
        if is_enough or not (self._left or self._open):
            self._is_over.set()
        self._ask_on()

    async def _call_on(self, reader: Reader) -> None:
        ends = [asyncio.create_task(event.wait()) for event in (self._is_over, reader.ended)]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED, timeout=STALLED_S)
        finally:
            for end in ends:
                end.cancel()

    async def _end(self, process: asyncio.subprocess.Process, reader: Reader) -> None:
        """Come to one of the ends; a client that still reads reads to the last byte."""
        (how,) = self._chance.choices(ENDS, WEIGHTS)
        self._how = how
        self._book.ends[how] += 1
        if how in (VANISH, SHUT_OUTPUT):
            self._book.cut_frames += bool(reader.rest)
            reader.close()
        if how == TERMINATE:
            process.send_signal(signal.SIGTERM)
        assert self._writer
        if how == SHUT_OUTPUT:  # it finds out as soon as it writes
            self._say({"jsonrpc": "2.0", "id": -1, "method": "no/such"})
        elif how != TERMINATE:
            self._writer.close()
        try:
            await asyncio.wait_for(process.wait(), END_S)
            await asyncio.wait_for(reader.ended.wait(), END_S)
        except TimeoutError:
            self._is_bad = True

    def _account(self, status: int | None, reader: Reader) -> None:
        book = self._book
        self._left.extendleft(self._open.values())
        book.frames += reader.frames
        book.read_bytes += reader.read_bytes
        book.torn += reader.broken
        if reader.is_at_end and reader.rest:
            book.torn.append(repr(reader.rest[:200]))
        if self._is_bad or status != 0:
            book.bad_ends.append(f"{self._how}, status {status}")


async def live_on(
    book: Book, asks: Iterable[Ask], environ: Mapping[str, str], log: Path, seed: str, answers: int
) -> None:
    """Live again and again until everything was answered; each life is about so many answers."""
    chance, left = random.Random(seed), deque(asks)
    while left:
        life = Life(book, left, chance, chance.randint(1, 2 * answers))
        await life.live(environ, log)

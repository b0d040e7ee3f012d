"""Checks in processes of their own: started when one is due, ended when it hangs."""

import asyncio
import contextlib
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from bridge.errors import Fault, InvalidError, TransientError
from bridge.formats.json_text import decode, encode

CHECK_S = 2.0
"""How long a check may compute."""

PROCESSES_MAX = 2
TRIES = 2
"""A process that was killed from outside proves nothing of what it checked; two do."""

UNCHECKED = (
    f"this value could not be checked: to compare it with its schema takes more than {CHECK_S:g} s "
    "of computing; send a shorter or less deeply nested one, or make the schema's patterns, "
    "references and uniqueItems simpler"
)

REMEMBERED_BYTES = 1024 * 1024
"""A value as long as this takes a process tens of megabytes, which it would not give back."""

BROKEN = "this value could not be checked: the process that compared it with its schema broke down"
BUSY = "too many long checks against schemas run at once"


@dataclass(frozen=True)
class CheckOptions:
    """What is asked of a check: whether to mend the value, and what may be left out of it then."""

    lenient: bool = False
    spare: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckResult:
    """What is known of a value: the value that fits, or why none does.

    `has_more` says that there are, or may be, more faults than these.
    """

    is_valid: bool
    value: Any = None
    faults: tuple[Fault, ...] = ()
    has_more: bool = False


class CheckProcesses:
    """Runs checks in processes of their own: one at a time of a schema, a few at a time in all.

    So whoever sends what takes long holds up only what is for the same hook or tool. `patience_s`
    is how long a check may wait for its turn, None for as long as it takes.
    """

    def __init__(self, patience_s: float | None) -> None:
        self._patience_s = patience_s
        self._idle: list[Process] = []
        self._places = asyncio.Semaphore(PROCESSES_MAX)
        self._turns: defaultdict[bytes, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def examine(
        self, schema: bytes, text: bytes, value: Any, wish: CheckOptions
    ) -> CheckResult:
        """Return the verdict on a value, whose JSON is `text`.

        Raises:
            InvalidError: whether it fits could not be found out in the time that a check has.
            TransientError: the check had no turn within the patience.
        """
        async with self._turn(schema):
            for _ in range(TRIES):
                verdict = await self._examine(schema, text, value, wish)
                if verdict is not None:
                    return verdict
        raise InvalidError(BROKEN)

    @contextlib.asynccontextmanager
    async def _turn(self, schema: bytes) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as held:
            try:
                async with asyncio.timeout(self._patience_s):
                    await held.enter_async_context(self._turns[schema])
                    await held.enter_async_context(self._places)
            except TimeoutError:
                raise TransientError(BUSY) from None
            yield

    async def _rest(self, process: Process, text_bytes: int) -> None:
        """Keep a process for the next check, unless it has grown by a long value."""
        if text_bytes > REMEMBERED_BYTES:
            await _end(process)
        else:
            self._idle.append(process)

    async def aclose(self) -> None:
        """End the processes."""
        while self._idle:
            await _end(self._idle.pop())

    async def _examine(
        self, schema: bytes, text: bytes, value: Any, wish: CheckOptions
    ) -> CheckResult | None:
        """Return the best verdict that a process gave; None if it ended without any."""
        process = self._idle.pop() if self._idle else await _start()
        verdict: CheckResult | None = None
        try:
            await _ask(process, schema, text, wish)
            while told := await _hear(process):
                verdict = read_verdict(told, value)
            await self._rest(process, len(text))
        except (ConnectionError, asyncio.IncompleteReadError):
            if await process.wait() == -signal.SIGPROF and verdict is None:
                raise InvalidError(UNCHECKED) from None
        except BaseException:
            await _end(process)  # what it says from now on answers nobody
            raise
        return verdict


async def _start() -> Process:
    # In a session of its own: a Ctrl-C at the terminal is for the bridge, which drains.
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # no file of the folder it is started in may stand in for a module
        "-m",
        "bridge.schemas.process",
        stdin=PIPE,
        stdout=PIPE,
        start_new_session=True,
    )


async def _ask(process: Process, schema: bytes, text: bytes, wish: CheckOptions) -> None:
    assert process.stdin is not None, "opened as a pipe"
    head = {"schema": len(schema), "value": len(text), "lenient": wish.lenient}
    process.stdin.write(json.dumps(head | {"spare": wish.spare}).encode() + b"\n" + schema + text)
    await process.stdin.drain()


async def _hear(process: Process) -> bytes:
    assert process.stdout is not None, "opened as a pipe"
    length = await process.stdout.readuntil(b"\n")
    return await process.stdout.readexactly(int(length))


async def _end(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


def spell_verdict(verdict: CheckResult, given: Any) -> bytes:
    """Write a verdict as one line of JSON; a value that is still the one given is not repeated."""
    told: dict[str, Any] = {"is_valid": verdict.is_valid}
    if verdict.is_valid and verdict.value is not given:
        told["value"] = verdict.value
    if not verdict.is_valid:
        told["faults"] = [[fault.pointer, fault.detail] for fault in verdict.faults]
        told["has_more"] = verdict.has_more
    return encode(told)


def read_verdict(line: bytes, given: Any) -> CheckResult:
    """Read a verdict back."""
    told = decode(line)
    faults = tuple(Fault(*fault) for fault in told.get("faults", ()))
    return CheckResult(
        told["is_valid"], told.get("value", given), faults, told.get("has_more", False)
    )

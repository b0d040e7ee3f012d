"""Schemas at run time: compiled once, checked on the spot where that is cheap, else in a process.

Such a process is started when one is due, and ended when it hangs.
"""

import asyncio
import contextlib
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bridge.errors import InvalidError, TransientError
from bridge.formats.json_text import encode
from bridge.schemas.checks import CheckOptions, CheckResult, examine, read_verdict
from bridge.schemas.compile import Compiled, Cost, compile_schema
from bridge.schemas.process import CHECK_S

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


ON_THE_SPOT_BYTES = {
    Cost.NAMED: sys.maxsize,
    Cost.PLAIN: 256 * 1024,
    Cost.PER_UNIT: 8 * 1024,
    Cost.UNBOUNDED: 0,
}
"""How long a value's JSON may be to be checked in the event loop, a matter of milliseconds then."""

EXPLAINED_ON_THE_SPOT_BYTES = 1024
"""How long it may be for its faults to be found there, at 20 µs each and for each branch."""

_PLAIN_BYTES = ON_THE_SPOT_BYTES[Cost.PLAIN]
_PLAIN_WISH = CheckOptions()


@dataclass(frozen=True)
class _Kept:
    schema: Mapping[str, Any]
    text: bytes
    compiled: Compiled


class SchemaCache:
    """Checks values, keeping each schema that it has seen in its compiled form; it fetches nothing.

    `patience_s` is how long a check that is made in another process may wait for its turn.
    """

    def __init__(self, patience_s: float | None = None) -> None:
        self._kept: dict[int, _Kept] = {}
        self._processes = CheckProcesses(patience_s)

    def allows(self, schema: Mapping[str, Any] | None, value: object) -> bool:
        """Report whether a value surely satisfies a schema; without one anything does.

        What is costly to find out counts as a no, but for schemas that only look at each part.
        """
        if schema is None:
            return True
        compiled = self._keep(schema).compiled
        bytes_max = ON_THE_SPOT_BYTES[compiled.cost]
        is_cheap = bytes_max >= _PLAIN_BYTES or len(encode(value)) <= bytes_max
        return is_cheap and next(examine(compiled, value)).is_valid

    async def fits(self, schema: Mapping[str, Any] | None, value: Any) -> bool:
        """Return whether a value satisfies a schema, whatever it costs to find out.

        Raises:
            InvalidError: it could not be checked.
            TransientError: the check had no turn within the patience.
        """
        return schema is None or (await self._examine(schema, value, None, _PLAIN_WISH)).is_valid

    async def check(
        self, schema: Mapping[str, Any] | None, value: Any, summary: str, text: bytes | None = None
    ) -> None:
        """Accept a value, or say all that is wrong with it; without a schema anything is right.

        `text` is the value's JSON, if there is one.

        Raises:
            InvalidError: with `summary` and the first faults, or because it could not be checked.
            TransientError: the check had no turn within the patience.
        """
        if schema is not None:
            _accept(await self._examine(schema, value, text, _PLAIN_WISH), summary)

    async def mended(
        self,
        schema: Mapping[str, Any] | None,
        value: Any,
        summary: str,
        spare: Iterable[str] = (),
    ) -> Any:
        """Accept a value, or what it was meant to be: see `lenient_values`.

        `spare` are members of it that may be left out where the schema refuses them.

        Raises:
            InvalidError: with `summary` and the first faults, or because it could not be checked.
            TransientError: the check had no turn within the patience.
        """
        if schema is None:
            return value
        wish = CheckOptions(lenient=True, spare=tuple(spare))
        return _accept(await self._examine(schema, value, None, wish), summary)

    async def aclose(self) -> None:
        """End the processes that checks were made in."""
        await self._processes.aclose()

    async def _examine(
        self, schema: Mapping[str, Any], value: Any, text: bytes | None, wish: CheckOptions
    ) -> CheckResult:
        kept = self._keep(schema)
        if kept.compiled.cost is Cost.NAMED:
            verdict = next(examine(kept.compiled, value))
            if verdict.is_valid:
                return verdict
        text = encode(value) if text is None else text
        if len(text) <= ON_THE_SPOT_BYTES[kept.compiled.cost]:
            verdicts = examine(kept.compiled, value, wish)
            verdict = next(verdicts)
            if verdict.is_valid:
                return verdict
            if len(text) <= EXPLAINED_ON_THE_SPOT_BYTES:
                return [verdict, *verdicts][-1]
        return await self._processes.examine(kept.text, text, value, wish)

    def _keep(self, schema: Mapping[str, Any]) -> _Kept:
        # Keyed by identity; the schema is kept beside it, so that no other can take its place.
        kept = self._kept.get(id(schema))
        if kept is None:
            kept = _Kept(schema, encode(schema), compile_schema(schema))
            self._kept[id(schema)] = kept
        return kept


def _accept(verdict: CheckResult, summary: str) -> Any:
    if not verdict.is_valid:
        raise InvalidError(summary, verdict.faults, has_more=verdict.has_more)
    return verdict.value

"""Atomic steps of Redis as typed functions, run many at a time in one round trip.

A step is a function of Python without a body, which says what goes in and what comes out, and one
of the same arguments in `bridge/store/lua`, which does it. The two are compared as they are
imported.
"""

import asyncio
import contextlib
import functools
import itertools
import logging
import re
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast, get_type_hints

import hiredis
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import MasterDownError, NoScriptError, ReadOnlyError, RedisError
from redis.typing import EncodableT
from typing_extensions import override

from bridge.ending import end
from bridge.errors import OutdatedError, StoreUnavailableError
from bridge.meters import ROUND_TRIP
from bridge.redis_faults import SILENT, RedisFault, fault_of
from bridge.store.assembly import Script, Scripts, scripts
from bridge.store.replicas import Replicas
from bridge.store.round_trips import Command, RoundTrips
from bridge.store.rows import Arguments, SeamError, decoder_of

logger = logging.getLogger(__name__)

BATCH_MAX = 256
"""Steps that are sent in one round trip."""
RUNS_MAX = 64
RUN_BYTES_MAX = 64 * 1024
"""Steps of one script that Redis runs as one command, and what their arguments may have in all."""
LONG_BYTES = 64 * 1024
"""An argument that redis-py sends as it is; packed by hiredis it would be copied."""
PAUSE_S = 0.05

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

Errand = Callable[[Pipeline], object]
"""Buffers commands that go right behind a step, in its round trip, each time that it is sent."""


@dataclass(eq=False, slots=True)
class _Pending:
    script: Script
    arguments: list[bytes]
    until: float
    done: asyncio.Future[Any]
    errand: Errand | None = None
    is_over: bool = False
    """Nothing is to be done for it any more; its caller may have left long before."""

    def succeed(self, answer: object) -> None:
        self.is_over = True
        if not self.done.done():
            self.done.set_result(answer)

    def fail(self, error: Exception) -> None:
        self.is_over = True
        if not self.done.done():
            self.done.set_exception(error)
            self.done.exception()  # looked at, for its caller may leave without having done so


def _runs(batch: Iterable[_Pending]) -> Iterator[list[_Pending]]:
    """Put together what stands behind each other and is of one script."""
    run: list[_Pending] = []
    size = 0
    for step in batch:
        own = sum(map(len, step.arguments))
        size += own
        if run and (
            step.script is not run[0].script
            or not step.arguments
            or len(run) == RUNS_MAX
            or size > RUN_BYTES_MAX
        ):
            yield run
            run, size = [], own
        run.append(step)
    if run:
        yield run


class Steps:
    """Runs steps in the order they came, as many a round trip as have gathered (group commit).

    Those of one script that stand behind each other are one command, so that Redis reads its clock
    and makes the functions of the script once for all of them.

    A script goes ahead of its first step, and of each batch that needs others too: Redis may have
    lost some of them, by a restart or SCRIPT FLUSH, and a step must not come behind later ones.
    Each step is its own atomic unit: one that fails fails alone. While Redis is away steps are
    repeated until their patience ends; where it has a fault that lasts, `is_insistent` alone
    repeats them, and what is not is given up at once. What may have written is answered once
    `replicas_min` replicas have it, and is repeated until then.
    """

    def __init__(
        self,
        redis: Redis,
        patience_s: float,
        *,
        is_insistent: bool = False,
        replicas_min: int = 0,
    ) -> None:
        self._redis = redis
        self.patience_s = patience_s
        self._is_insistent = is_insistent
        self._replicas = Replicas(replicas_min) if replicas_min else None
        self._waiting: list[_Pending] = []
        self._more = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._loaded: set[Script] = set()
        self._refused: set[Script] = set()  # of these answers, where a connection stands
        self.ended = asyncio.Event()
        """Set once Redis will take no step of this process any more."""

        self.fault: RedisFault | None = None
        """What kept Redis from taking the last step that it did not take, until it takes it."""

        self.leave: Callable[[], None] = lambda: None
        """Has others than the steps leave a server that is perhaps the primary no more."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the one writer running while the block lasts."""
        writer = asyncio.create_task(self._write(), name="steps")
        try:
            yield
        finally:
            await end(writer)
            if self._timer:
                self._timer.cancel()
            for step in self._waiting:
                self._give_up(step, self.fault or SILENT)

    async def take(
        self,
        script: Script,
        arguments: list[bytes],
        decode: Callable[[Any], T],
        errand: Errand | None = None,
        *,
        within_s: float = 0,
    ) -> T:
        """Run one step and return its answer; it is run even if its caller does not wait for it.

        The commands of the errand are taken all or none. What becomes of them is not told. It waits
        `within_s` at most for another step to go with, in front of it.

        Raises:
            StoreUnavailableError: Redis gave no answer within the patience, or has a fault that
                lasts, in whose words; the step may have run.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + self.patience_s
        step = _Pending(script, arguments, until, loop.create_future(), errand)
        self._waiting.append(step)
        if within_s:
            loop.call_later(within_s, self._go_on)
        else:
            self._more.set()
        if self._timer is None:
            self._timer = loop.call_at(step.until, self._end_patience)
        return decode(await step.done)

    def _go_on(self) -> None:
        if self._waiting:
            self._more.set()

    def _end_patience(self) -> None:
        """End what waits for too long: a Redis that hangs keeps the writer for longer than that."""
        self._timer = None
        if left := self._in_time(self._waiting):
            until = min(step.until for step in left)
            self._timer = asyncio.get_running_loop().call_at(until, self._end_patience)

    async def _write(self) -> None:
        async with RoundTrips(self._redis) as round_trips:
            while True:
                await self._more.wait()
                batch = self._waiting[:BATCH_MAX]
                again = self._in_time(await self._commit(batch, round_trips))
                if again and self.fault and self.fault.may_be_elsewhere:
                    await round_trips.leave()
                    self.leave()
                self._waiting[: len(batch)] = again
                if not self._waiting:
                    self._more.clear()
                if again:
                    await asyncio.sleep(PAUSE_S)

    async def _commit(self, batch: list[_Pending], round_trips: RoundTrips) -> list[_Pending]:
        new = self._to_load({step.script for step in batch})
        runs = list(_runs(batch))
        replicas = self._replicas
        waiting = replicas.commands(step.script for step in batch) if replicas else ()
        commands = [
            *(("SCRIPT LOAD", script.text) for script in new),
            *(_command_of(run) for run in runs),
            *self._errands([step.errand for step in batch if step.errand]),
            *waiting,
        ]
        began_at = time.perf_counter()
        try:
            answers = await round_trips.take(commands)
        except (RedisError, OSError) as error:
            self._loaded.clear()
            fault = fault_of(error) or RedisFault(f"the store does not answer: {error}")
            self._refused.clear()
            return [step for step in batch if not self._refuse(step, fault)]
        ROUND_TRIP.observe(time.perf_counter() - began_at)
        lack = replicas.fault_in(answers[-1]) if replicas and waiting else None
        again = [
            step
            for run, answer in zip(runs, answers[len(new) :], strict=False)
            for step, own in zip(run, _answers_to(run, answer), strict=True)
            if not self._settle(step, own, lack)
        ]
        self._loaded |= new
        if any(isinstance(answer, RedisError) for answer in answers[: len(new)]) or any(
            isinstance(answer, NoScriptError) for answer in answers
        ):
            self._loaded.clear()
        return again

    def _errands(self, errands: list[Errand]) -> Iterable[Command]:
        if not errands:
            return ()
        buffer = self._redis.pipeline()
        for errand in errands:
            errand(buffer)
        return (("MULTI",), *(command for command, _ in buffer.command_stack), ("EXEC",))

    def _to_load(self, scripts: set[Script]) -> set[Script]:
        """Name the scripts to send ahead: all, where one could be missing and a later one not."""
        return scripts if len(scripts) > 1 else scripts - self._loaded

    def _settle(self, step: _Pending, answer: object, lack: RedisFault | None) -> bool:
        """Bring a step to its end; False where it is to be sent again.

        Of what lacks replicas only the answers of steps that read are told.
        """
        if isinstance(answer, NoScriptError):
            return False
        fault = None if step.script.only_reads else lack
        if isinstance(answer, RedisError):
            fault = fault_of(answer) or fault
        if fault:
            self._refused.add(step.script)
            return self._refuse(step, fault)
        if self.fault and (not self._refused or step.script in self._refused):
            logger.info("redis.back")
            self.fault = None
            self._refused.clear()
        if isinstance(answer, RedisError):
            step.fail(_placed(answer, step.script))
        else:
            step.succeed(answer)
        return True

    def _refuse(self, step: _Pending, fault: RedisFault) -> bool:
        """Record why a step was not taken; True where that is its end."""
        if fault != self.fault:
            level = logging.ERROR if fault.lasts else logging.WARNING
            logger.log(level, "redis.away", extra={"reason": fault.sentence})
            self.fault = fault
        if fault.final:
            self.ended.set()
        if fault.final or (fault.lasts and not self._is_insistent):
            self._give_up(step, fault)
        return step.is_over

    def _in_time(self, steps: list[_Pending]) -> list[_Pending]:
        now = asyncio.get_running_loop().time()
        for step in steps:
            if step.until <= now:
                self._give_up(step, self.fault or SILENT)
        return [step for step in steps if step.until > now]

    def _give_up(self, step: _Pending, fault: RedisFault) -> None:
        step.fail(_unavailable(fault))


def _command_of(run: list[_Pending]) -> Command:
    arguments = itertools.chain.from_iterable(step.arguments for step in run)
    return ("EVALSHA", run[0].script.sha, 0, *arguments)


def _answers_to(run: list[_Pending], answer: Any) -> Iterable[Any]:
    """Return what each step of a run was answered; an error in place of all is that of each."""
    return [answer] * len(run) if len(run) == 1 or isinstance(answer, RedisError) else answer


def _unavailable(fault: RedisFault) -> StoreUnavailableError:
    kind = OutdatedError if fault.final else StoreUnavailableError
    return kind(fault.sentence, retry_after_s=2)


class StepConnection(AbstractConnection):
    """Packs steps in C: redis-py has two dozen arguments a step encoded and joined in Python.

    Whoever uses it next connects anew where its server takes no writes any more, for a name, or
    Sentinels, may lead to another one by now.
    """

    @override
    def pack_command(self, *args: EncodableT) -> list[bytes]:
        """Format a command as Redis reads it."""
        given = cast("tuple[bytes, ...]", args[3:])
        if args[0] != "EVALSHA" or max(map(len, given), default=0) > LONG_BYTES:
            return super().pack_command(*args)
        packed: bytes = hiredis.pack_command(args)  # type: ignore[arg-type]  # any number of them
        return [packed]

    @override
    async def read_response(self, *args: Any, **options: Any) -> Any:
        """Read one answer."""
        try:
            return await super().read_response(*args, **options)
        except (ReadOnlyError, MasterDownError):
            self.mark_for_reconnect()  # type: ignore[no-untyped-call]
            raise


def _placed(error: RedisError, script: Script) -> RedisError:
    """Add the line of the .lua file to an error of Lua, which names one of the step's own text."""
    found = re.search(r"user_script:(\d+)", str(error))
    if found:
        error.add_note(f"in {script.place_of(int(found[1]))}, in the step {script.name}")
    return error


class Step(Generic[P, R]):
    """One atomic step: called with the steps of a process, it is taken there.

    A step may be repeated with the same arguments: the second run changes nothing more.
    """

    def __init__(
        self, declared: Callable[Concatenate[Steps, P], Coroutine[Any, Any, R]], script: Script
    ) -> None:
        functools.update_wrapper(self, declared)
        hints = get_type_hints(declared)
        answer = hints.pop("return")
        hints.pop("steps")
        self.script = script
        try:
            self._arguments = Arguments(script.declared.parameters, hints)
            self._decode = decoder_of(script.declared.answer, answer)
        except SeamError as error:
            where = f"{declared.__module__}.{declared.__qualname__}"
            raise SeamError(f"{where} is not the step {script.name}: {error}") from None

    def __call__(self, steps: Steps, *_: P.args, **values: P.kwargs) -> Coroutine[Any, Any, R]:
        """Take the step; its arguments are given by name."""
        return self.with_errand(steps, None, *_, **values)

    def with_errand(
        self, steps: Steps, errand: Errand | None, *_: P.args, **values: P.kwargs
    ) -> Coroutine[Any, Any, R]:
        """Take the step, and send the commands of the errand right behind it."""
        return steps.take(self.script, self.arguments(values), self._decode, errand)

    def before_others(
        self, steps: Steps, within_s: float, *_: P.args, **values: P.kwargs
    ) -> Coroutine[Any, Any, R]:
        """Take the step in the round trip of the one that comes next, or alone if none does."""
        return steps.take(self.script, self.arguments(values), self._decode, within_s=within_s)

    def arguments(self, values: Mapping[str, Any]) -> list[bytes]:
        """Encode arguments, given by name, in the order in which the Lua takes them."""
        return self._arguments.encoded(values)


def step(
    name: str, of: Scripts | None = None
) -> Callable[[Callable[Concatenate[Steps, P], Coroutine[Any, Any, R]]], Step[P, R]]:
    """Declare the function of a step in `bridge/store/lua`, by the name `module.function`.

    Raises:
        LuaFileError, SeamError: there is no such step, or it declares something else.
    """
    return lambda declared: Step(declared, (of or scripts()).find(name))

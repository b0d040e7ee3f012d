"""What state machines over the store stand on: a loop of their own, and an empty Redis."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, ClassVar, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from redis.asyncio import Redis
from typing_extensions import override

from bridge.store.keys import PREFIX
from bridge.store.steps import Steps

T = TypeVar("T")

Again = Callable[[], Coroutine[Any, Any, object]]

EFFORT = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


class StoreMachine(RuleBasedStateMachine):
    """Runs steps one after the other; the last one may be repeated, as after a lost answer."""

    redis_url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._open = AsyncExitStack()
        self._last: Again | None = None
        self.redis, self.steps = self.run(self._begin())

    async def _begin(self) -> tuple[Redis, Steps]:
        redis = await self._open.enter_async_context(Redis.from_url(self.redis_url))
        await redis.flushall()
        steps = Steps(redis, 60)
        await self._open.enter_async_context(steps.running())
        return redis, steps

    @override
    def teardown(self) -> None:
        self.run(self._open.aclose())
        self._runner.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for a step."""
        return self._runner.run(work)

    def do(self, step: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Take a step, and remember it to repeat it."""
        answer = self.run(step())

        async def again() -> None:
            assert await step() == answer

        self._last = again
        return answer

    def do_once(self, step: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Take a step that says no when it is repeated, and changes nothing more then."""
        answer = self.run(step())
        self._last = step
        return answer

    def forget_last(self) -> None:
        """Have nothing to repeat: something else has changed since."""
        self._last = None

    @rule()
    def repeat_the_last_step(self) -> None:
        """Repeat the last step with the same arguments: nothing more changes."""
        if self._last is not None:
            self.run(self._last())

    def read(self, *commands: tuple[str, ...]) -> list[Any]:
        """Read much in one round trip: a command and its arguments each, all answers as texts."""

        async def answers() -> list[Any]:
            pipe = self.redis.pipeline(transaction=False)
            for command in commands:
                pipe.execute_command(*command)
            return [_texts(answer) for answer in await pipe.execute()]

        return self.run(answers())

    async def pass_time(self, index: str, member: str) -> None:
        """Have a moment that an index waits for lie in the past."""
        await self.redis.zadd(f"{PREFIX}{index}", {member: 1}, xx=True)


def key(*parts: str) -> str:
    """Format a key."""
    return PREFIX + ":".join(parts)


def entries(process: str, members: list[str]) -> set[tuple[str, str, str]]:
    """Take apart what a process holds: (process, id, token) each."""
    rows = [member.split(" ") for member in members]
    return {(process, subject, token) for _, subject, token in rows}


def _texts(answer: Any) -> Any:
    if isinstance(answer, bytes):
        return answer.decode()
    if isinstance(answer, list | set):
        return [_texts(part) for part in answer]
    return answer


def check(machine: type[StoreMachine], redis_url: str) -> None:
    """Run a machine through many lives."""
    on_redis = type(machine.__name__, (machine,), {"redis_url": redis_url})
    run_state_machine_as_test(on_redis, settings=EFFORT)

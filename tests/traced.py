"""Which files of the project a request runs through: what is called each time it is under way."""

import asyncio
import contextlib
import inspect
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Self

ROOT = Path(__file__).parent.parent
STANDING = frozenset(
    {
        "Sweeper.run",
        "StoreLosses._look_again",
        "Waiters._look_again",
        "_say_that_the_loop_runs",
        "McpState.end_revoked",
        "Keepalives.run",
        "Signals._hear",
        "warn_of_stranded",
    }
)
"""Coroutines that work by the clock or once at the start, or hear what any process signals."""
STANDING_THREADS = frozenset({"heartbeat"})


class Trace:
    """Collects the files with a function that runs each time it is armed, in any thread and task.

    What runs but once belongs to a start, or to a timer that happened to end then. Module-level and
    class-body code is no function's. What loops on without a request does not count, nor does what
    the test itself calls, nor the stand-in for n8n.
    """

    def __init__(self) -> None:
        self._traces: list[set[str]] = []
        self._is_armed = False
        self._own_task: asyncio.Task[object] | None = None
        self._names: dict[CodeType, str | None] = {}

    def __enter__(self) -> Self:
        threading.setprofile(self._note)
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_raised: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    @contextlib.contextmanager
    def armed(self) -> Iterator[None]:
        """Collect while the block lasts; what the task that enters it calls is the test's."""
        self._traces.append(set())
        self._own_task, self._is_armed = asyncio.current_task(), True
        try:
            yield
        finally:
            self._is_armed = False

    @property
    def files(self) -> set[str]:
        """What every armed block ran through."""
        return set.intersection(*self._traces)

    def _note(self, frame: FrameType, event: str, _argument: object) -> None:
        if event != "call" or not self._is_armed:
            return
        name = self._name(frame.f_code)
        if name is not None and name not in self._traces[-1] and self._counts():
            self._traces[-1].add(name)

    def _name(self, code: CodeType) -> str | None:
        """Return the file of one of the project's functions, None for any other code."""
        if code not in self._names:
            file, name = Path(code.co_filename), None
            if code.co_flags & inspect.CO_OPTIMIZED and file.is_relative_to(ROOT):
                name = file.relative_to(ROOT).as_posix()
            is_ours = name is not None and name.startswith(("bridge/", "workers/"))
            self._names[code] = name if is_ours and "standin" not in str(name) else None
        return self._names[code]

    def _counts(self) -> bool:
        try:
            task = asyncio.current_task()
        except RuntimeError:  # another thread than the loop's
            return threading.current_thread().name not in STANDING_THREADS
        if task is None:
            return True
        coroutine = getattr(task.get_coro(), "__qualname__", "")
        return task is not self._own_task and coroutine not in STANDING

"""A process that runs the handlers of one server, for one worker.

Each call is a task of its own. The first message says what is served; it is answered by `ready`, or
by `fault`, a sentence, and the end. Then come from the worker

- `call` with the number of a run, its `handler`, `call_id`, `attempt`, `caller`, and the arguments
  as body;
- `cancel` with the number of a run;
- `reply` with the number of a question: its value as body, or a `failure`;
- `ping`, which is answered by `pong`;
- `stop`: once nothing runs any more `shutdown` is called, and the process ends;

and from here

- `end` with the number of a run: its value as body, a `failure`, or the exception that was `raised`
  with its `traceback`; neither for one that was cancelled;
- `progress` with the number of a run, its `share` and a `message`;
- `ask` with the number of a question, the run that it is `of`, the `hook`, and the payload as body.
"""

import asyncio
import contextlib
import itertools
import json
import os
import socket
import traceback
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pydantic_core

from bridge.handlers.channel import HandlerChannel, Head
from bridge.handlers.context import Failure, HandlerCaller, HandlerContext
from bridge.handlers.faults import HandlerError, demand_plain_async, words_of
from bridge.handlers.loading import find_from, load
from bridge.handlers.signature import NOT_ASYNC, ArgumentsError, Handler, ResultError
from bridge.handlers.threads import HandlerThreads, ended, watch_threads

RESULT_BYTES_MAX = 16 * 1024 * 1024
TRACEBACK_CHARS_MAX = 16_000
NAME_CHARS_MAX = 1000
TOO_LONG = (
    f"the handler ran, but its result is longer than {RESULT_BYTES_MAX} bytes: let it return less, "
    "or a link"
)

_Ended = tuple[Head, bytes | None]
"""What is told of the end of a run."""


def serve(end: socket.socket) -> None:
    """Serve the worker at the other end; end this process when it is done with it."""
    asyncio.run(_serve_and_exit(end))


async def _serve_and_exit(end: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(HandlerThreads())
    # A fork that a handler lets go on would take messages for itself: it ends at its first `await`.
    os.register_at_fork(after_in_child=lambda: loop.call_soon(os._exit, 1))
    status = 1
    try:
        status = await serve_to_the_end(end)
    except BaseException:  # noqa: BLE001 - `shutdown` may raise anything, and handlers cancel this
        traceback.print_exc()
    finally:
        os._exit(status)  # threads of handlers that still run are not waited for


async def serve_to_the_end(end: socket.socket) -> int:
    """Serve the worker at the other end until it is done; return the exit status."""
    channel = await HandlerChannel.over(end)
    with contextlib.closing(channel):
        messages = channel.messages()
        asked, _ = await anext(messages)
        try:
            served = ServedHandlers(channel, asked)
            await served.start()
        except HandlerError as error:
            await channel.send({"fault": str(error)})
            return 1
        channel.write({"ready": True})
        receiving = asyncio.create_task(_receive(served, messages))
        receiving.add_done_callback(lambda _: served.over.set())
        await served.over.wait()
        if receiving.done():
            await receiving  # the worker is gone, or there was no memory for what it said
        await served.stop()
        receiving.cancel()
        await channel.flush()
        return 0


async def _receive(served: "ServedHandlers", messages: AsyncIterator[tuple[Head, bytes]]) -> None:
    async for head, body in messages:
        served.receive(head, body)


@dataclass(frozen=True)
class _Run:
    """One run of a handler; it is the link of its context."""

    number: int
    served: "ServedHandlers"

    async def report(self, share: float, message: str) -> None:
        """Pass on how far the run is."""
        head = {"progress": self.number, "share": share, "message": message}
        await self.served.channel.send(head)

    async def ask(self, hook: str, payload: object) -> Any:
        """Ask on a hook, and wait for the reply."""
        return await self.served.ask(self.number, hook, payload)


class ServedHandlers:
    """The handlers of a server, and the runs of them; `over` is set when nothing runs any more.

    Raises:
        HandlerError: one cannot be imported, or is no handler.
    """

    def __init__(self, channel: HandlerChannel, asked: Head) -> None:
        folder = Path(asked["folder"])
        find_from(folder)
        self.channel = channel
        self.over = asyncio.Event()
        self._handlers = {
            named: Handler.of(load(named, folder), named) for named in asked["handlers"]
        }
        self._startup, self._shutdown = (
            demand_plain_async(load(named, folder), named, NOT_ASYNC) if named else None
            for named in (asked["startup"], asked["shutdown"])
        )
        self._runs: dict[int, asyncio.Task[_Ended]] = {}
        self._questions: dict[int, asyncio.Future[Any]] = {}
        self._numbers = itertools.count(1)
        self._is_stopping = False
        self._pid = os.getpid()

    async def start(self) -> None:
        """Call what is to be called before any handler.

        Raises:
            HandlerError: it failed.
        """
        try:
            if self._startup:
                await self._startup()
        except BaseException as error:  # it may exit, or cancel itself
            traceback.print_exc()
            said = f"startup failed: {type(error).__name__}: {words_of(error)}"
            raise HandlerError("", said) from error

    async def stop(self) -> None:
        """Call what is to be called after all handlers."""
        if self._shutdown:
            await self._shutdown()

    def receive(self, head: Head, body: bytes) -> None:
        """Do as the worker says."""
        match head:
            case {"call": number}:
                run = asyncio.create_task(self._run(number, head, body), name=head["call_id"])
                self._runs[number] = run
                run.add_done_callback(partial(self._tell_end, number))
            case {"cancel": number} if number in self._runs:
                self._runs[number].cancel()
            case {"reply": number} if number in self._questions:
                self._answer(self._questions[number], head, body)
            case {"ping": _}:
                self.channel.write({"pong": True})
            case {"stop": _}:
                self._is_stopping = True
                self._note_whether_over()

    async def ask(self, number: int, hook: str, payload: object) -> Any:
        """Ask on a hook amid a run, and return the value of the reply."""
        question = next(self._numbers)
        if number not in self._runs:
            raise Failure("the call has ended, so nobody is asked")
        text = pydantic_core.to_json(payload)
        if len(text) > RESULT_BYTES_MAX:
            raise Failure(f"the payload is longer than {RESULT_BYTES_MAX} bytes: ask with less")
        answer = self._questions[question] = asyncio.get_running_loop().create_future()
        try:
            head = {"ask": question, "of": number, "hook": hook[:NAME_CHARS_MAX]}
            await self.channel.send(head, text)
            return await answer
        finally:
            del self._questions[question]

    async def _run(self, number: int, head: Head, body: bytes) -> _Ended:
        threads = watch_threads()
        try:
            caller = HandlerCaller.told(head.get("caller"))
            context = HandlerContext(head["call_id"], head["attempt"], _Run(number, self), caller)
            return await _outcome(self._handlers[head["handler"]], body, context)
        except asyncio.CancelledError:
            return {"failure": "the handler was cancelled from within"}, None
        finally:
            if os.getpid() != self._pid:  # a fork that the handler has not ended
                os._exit(1)
            if (task := asyncio.current_task()) and task.cancelling():
                await ended(threads)  # which nothing cancels: it goes on as long as they do

    def _tell_end(self, number: int, run: asyncio.Task[_Ended]) -> None:
        del self._runs[number]
        # One that was cancelled before its first step has none.
        head, body = ({}, None) if run.cancelled() else _result_of(run)
        self.channel.write({"end": number, **head}, body)
        self._note_whether_over()

    def _answer(self, answer: asyncio.Future[Any], head: Head, body: bytes) -> None:
        if answer.done():
            return
        if "failure" in head:
            answer.set_exception(Failure(head["failure"]))
        else:
            answer.set_result(json.loads(body))

    def _note_whether_over(self) -> None:
        if self._is_stopping and not self._runs:
            self.over.set()


def _result_of(run: asyncio.Task[_Ended]) -> _Ended:
    error = run.exception()
    if error is None:
        return run.result()
    # There was not even the memory to tell of it with its traceback.
    return {"raised": type(error).__name__, "words": words_of(error), "traceback": ""}, None


async def _outcome(handler: Handler, body: bytes, context: HandlerContext) -> _Ended:
    """Run a handler; return what is told of its end."""
    try:
        text = handler.dump(await handler.call(body, context))
    except Failure as failure:
        return {"failure": words_of(failure)}, None
    except ArgumentsError as error:
        return {"failure": f"the arguments are not what the handler takes: {words_of(error)}"}, None
    except ResultError as error:
        return {"failure": f"the handler returned what is no JSON: {words_of(error)}"}, None
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - it is told, with all of it, and ends no other
        at = error.__traceback__.tb_next if error.__traceback__ else None  # this line is no news
        told = "".join(traceback.format_exception(error.with_traceback(at)))[-TRACEBACK_CHARS_MAX:]
        name = type(error).__name__[:NAME_CHARS_MAX]
        return {"raised": name, "words": words_of(error), "traceback": told}, None
    return ({"failure": TOO_LONG}, None) if len(text) > RESULT_BYTES_MAX else ({}, text)

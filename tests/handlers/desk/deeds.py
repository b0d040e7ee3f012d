"""Handlers that the tests run: each does what its argument says, good or bad."""

import asyncio
import contextlib
import ctypes
import enum
import gc
import os
import signal
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field
from typing_extensions import override

from bridge.handlers import Context, Failure
from bridge.handlers.channel import HandlerChannel


class Tone(enum.Enum):
    """How to speak."""

    WARM = "warm"
    COLD = "cold"


class Guest(BaseModel):
    """Who is greeted."""

    name: str
    age: int | None = None


class Greeting(BaseModel):
    """What is said."""

    text: str
    attempt: int


async def startup() -> None:
    """Leave a line that the tests count."""
    print("startup")


async def shutdown() -> None:
    """Leave another."""
    print("shutdown")


async def greet(
    ctx: Context,
    guest: Annotated[Guest, Field(description="Who comes.")],
    tone: Tone = Tone.WARM,
    times: Annotated[int, Field(ge=1, le=9)] = 1,
) -> Greeting:
    """Greet a guest.

    As often as asked.
    """
    word = "Hello" if tone is Tone.WARM else "So"
    return Greeting(text=f"{word} {guest.name}. " * times, attempt=ctx.attempt)


async def work(deed: str, ctx: Context, value: object = None, seconds: float = 0) -> object:
    """Do as told."""
    print(f"begun {ctx.call_id} {deed}")
    return await DEEDS[deed](ctx, value, seconds)


async def sleep(ctx: Context, value: object, seconds: float) -> object:
    """Take a while, and leave a line if cut short."""
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        print(f"cancelled {ctx.call_id}")
        raise
    return value


async def insist(_ctx: Context, value: object, seconds: float) -> object:
    """Take a while, cancelled or not."""
    ends_at = asyncio.get_running_loop().time() + seconds
    while (left := ends_at - asyncio.get_running_loop().time()) > 0:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(left)
    return value


async def fail(_ctx: Context, value: object, _seconds: float) -> object:
    """Fail with a sentence."""
    raise Failure(str(value))


async def raise_error(_ctx: Context, value: object, _seconds: float) -> object:
    """Raise something."""
    raise ValueError(value)


async def leave(_ctx: Context, value: object, _seconds: float) -> object:
    """Call sys.exit, as careless libraries do."""
    sys.exit(str(value))


async def end_process(_ctx: Context, _value: object, _seconds: float) -> object:
    """End the whole process."""
    os._exit(3)


async def cancel_itself(_ctx: Context, _value: object, _seconds: float) -> object:
    """Be cancelled by nobody but itself."""
    raise asyncio.CancelledError


async def kill_process(_ctx: Context, _value: object, _seconds: float) -> object:
    """End it as the system does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)
    return None


async def end_by_signal(_ctx: Context, value: object, _seconds: float) -> object:
    """End it by any signal."""
    os.kill(os.getpid(), int(str(value)))
    return None


class WordlessError(Exception):
    """Raises whenever somebody reads it."""

    @override
    def __str__(self) -> str:
        """Raise."""
        raise LookupError("no words")


async def raise_wordless(_ctx: Context, _value: object, _seconds: float) -> object:
    """Raise what cannot be put in words."""
    raise WordlessError


async def interrupt(_ctx: Context, _value: object, _seconds: float) -> object:
    """Raise what asyncio itself would end by."""
    raise KeyboardInterrupt


async def insist_in_thread(_ctx: Context, value: object, seconds: float) -> object:
    """Take a while in a thread, which nothing cancels."""
    await asyncio.to_thread(threading.Event().wait, seconds)
    return value


async def block(_ctx: Context, value: object, seconds: float) -> object:
    """Hold up the event loop."""
    threading.Event().wait(seconds)
    return value


async def fork_and_wait(_ctx: Context, value: object, seconds: float) -> object:
    """Fork, and let both wait for others to have their turn."""
    os.fork()
    await asyncio.sleep(seconds)
    return value


async def fork(_ctx: Context, _value: object, _seconds: float) -> object:
    """Fork, and let both go on."""
    os.fork()
    return os.getpid()


async def tell_pid(_ctx: Context, _value: object, _seconds: float) -> object:
    """Tell which process it is."""
    return os.getpid()


async def ask_too_late(ctx: Context, value: object, _seconds: float) -> object:
    """Ask when the call has ended."""

    async def late() -> None:
        await asyncio.sleep(0.1)
        try:
            await ctx.elicit("approve", value)
        except Failure as failure:
            print(failure)

    LATE.append(asyncio.create_task(late()))
    return value


LATE: list[asyncio.Task[None]] = []


async def crash(_ctx: Context, _value: object, _seconds: float) -> object:
    """Read where no memory is."""
    return ctypes.string_at(0)


async def loop(_ctx: Context, _value: object, _seconds: float) -> object:
    """Never yield."""
    while True:
        pass


async def need_memory(_ctx: Context, _value: object, _seconds: float) -> object:
    """Ask for more than there may be."""
    return len(bytearray(2 * 1024**3))


async def forge(ctx: Context, value: object, _seconds: float) -> object:
    """Print what looks like a message, and a lot of it."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__):
        print('{"end": 1, "bytes": 2}\n{}', file=stream, flush=True)
    os.write(1, b'{"end": 1, "bytes": 2}\n{}{"pong": true}\n' * 10_000)
    return value


async def print_text(_ctx: Context, value: object, _seconds: float) -> object:
    """Print."""
    print(value)
    return value


async def print_much(_ctx: Context, value: object, _seconds: float) -> object:
    """Write so many bytes, which are no text."""
    os.write(2, b"\xff\0" * (int(str(value)) // 2))
    return value


async def send_raw(_ctx: Context, value: object, seconds: float) -> object:
    """Send the worker a message many times, as only a forger would."""
    (channel,) = (each for each in gc.get_objects() if isinstance(each, HandlerChannel))
    head: dict[str, Any]
    times: int
    head, times = value  # type: ignore[misc]
    for number in range(times):
        head = {**head, "ask": number} if "ask" in head else head
        await channel.send(head, b"1" if "ask" in head else None)
    await asyncio.sleep(seconds)
    return times


async def stop_guard(_ctx: Context, _value: object, _seconds: float) -> object:
    """Stop the process that would see to its end, and end."""
    os.kill(os.getppid(), signal.SIGSTOP)
    os._exit(3)


async def tell_environment(_ctx: Context, _value: object, _seconds: float) -> object:
    """Tell all of the environment."""
    return dict(os.environ)


async def return_much(_ctx: Context, value: object, _seconds: float) -> object:
    """Return a long text."""
    return "x" * int(str(value))


async def return_object(_ctx: Context, _value: object, _seconds: float) -> object:
    """Return what is no JSON."""
    return object()


async def have_children(_ctx: Context, value: object, seconds: float) -> object:
    """Leave a child behind, and its process id in a file."""
    return await _child(str(value), seconds)


async def have_daemon(_ctx: Context, value: object, seconds: float) -> object:
    """Leave one behind that has a session of its own."""
    return await _child(str(value), seconds, start_new_session=True)


async def _child(told: str, seconds: float, *, start_new_session: bool = False) -> object:
    program = [sys.executable, "-c", "import time; time.sleep(600)"]
    child = subprocess.Popen(program, start_new_session=start_new_session)
    Path(told).write_text(f"{child.pid} {os.getpid()}")
    await asyncio.sleep(seconds)
    return child.pid


async def report(ctx: Context, value: object, seconds: float) -> object:
    """Report progress many times."""
    for number in range(1000):
        await ctx.progress(number / 1000, f"{value} {number}")
    await ctx.progress(1, f"{value} all")
    return await sleep(ctx, value, max(seconds, 0.5))


async def ask(ctx: Context, value: object, _seconds: float) -> object:
    """Ask, and return the answer."""
    return {"answer": await ctx.elicit("approve", value)}


async def ask_nobody(ctx: Context, value: object, _seconds: float) -> object:
    """Ask on a hook that there is not."""
    hook = "nobody"
    return await ctx.elicit(hook, value)


async def tell_caller(ctx: Context, _value: object, _seconds: float) -> object:
    """Tell who asks."""
    return ctx.caller and asdict(ctx.caller)


DEEDS = {
    each.__name__: each
    for each in (
        sleep,
        insist,
        insist_in_thread,
        block,
        fail,
        raise_error,
        leave,
        end_process,
        cancel_itself,
        kill_process,
        end_by_signal,
        raise_wordless,
        interrupt,
        fork,
        fork_and_wait,
        stop_guard,
        send_raw,
        print_much,
        tell_pid,
        tell_caller,
        ask_too_late,
        crash,
        loop,
        need_memory,
        forge,
        print_text,
        tell_environment,
        return_much,
        return_object,
        have_children,
        have_daemon,
        report,
        ask,
        ask_nobody,
    )
}

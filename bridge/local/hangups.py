"""SIGHUP: to read files anew, or the last that a terminal says before it is gone."""

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable


class Hangups:
    """Hears SIGHUP from the moment on that it is made.

    The kernel sends it to what runs in a terminal that is closed, too. That ends a process, as
    ever, but for one that was started by nohup(1). Signals are the main thread's: in another none
    is heard.
    """

    def __init__(self) -> None:
        is_nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        self._may_lose_terminal = not is_nohup and has_terminal()
        self._came = asyncio.Event()
        self._is_heard = threading.current_thread() is threading.main_thread()
        if self._is_heard:
            signal.signal(signal.SIGHUP, lambda *_: self.ask())

    def ask(self) -> None:
        """Ask for a reload, as a SIGHUP does."""
        self._came.set()

    async def serve(self, reload: Callable[[], Awaitable[None]]) -> None:
        """Reload at each, one after the other, until the terminal is gone: that is a SIGTERM."""
        if self._is_heard:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.ask)
        while True:
            await self._came.wait()
            self._came.clear()
            if self._may_lose_terminal and not has_terminal():
                signal.raise_signal(signal.SIGTERM)
                return
            await reload()


def has_terminal() -> bool:
    """Report whether this process has a terminal; one that was closed is none any more."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True

"""A shell in a terminal of fixed size: typed into, waited for, and recorded as it goes."""

import asyncio
import codecs
import contextlib
import os
import pty
import shutil
import subprocess
import sys
import termios
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from time import monotonic

import pyte

from tests.recordings.cast import Cast, Moment

KEY_S = 0.04
READ_S = 1.2
READ_REPORT_S = 4.0
"""How long a reader is left with something new: a line, or a screen."""
PATIENCE_S = 60.0
PROMPT = "$ "
SHELL = ("bash", "--norc", "--noprofile", "-i")
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


class Terminal:
    """A terminal on which somebody types, and which keeps all that it was sent."""

    def __init__(self, cast: Cast, ours: int) -> None:
        self.cast = cast
        self._ours = ours
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._news = asyncio.Event()
        self._began_at = monotonic()
        self._seen = 0
        self._screen = pyte.Screen(cast.columns, cast.rows)
        self._stream = pyte.Stream(self._screen)
        asyncio.get_running_loop().add_reader(ours, self._hear)

    def _hear(self) -> None:
        try:
            raw = os.read(self._ours, 65536)
        except OSError:  # the shell is gone
            raw = b""
        if not raw:
            asyncio.get_running_loop().remove_reader(self._ours)
        text = self._decoder.decode(raw)
        self._stream.feed(text)
        self._happens("o", text)
        self._news.set()

    def _happens(self, kind: str, text: str) -> None:
        self.cast.moments.append(Moment(monotonic() - self._began_at, kind, text))

    async def press(self, keys: str) -> None:
        """Press keys, one after the other, as fast as people do."""
        for key in keys:
            await asyncio.sleep(KEY_S)
            self._happens("i", key)
            os.write(self._ours, key.encode())

    async def sees(self, text: str, read_s: float = READ_S) -> None:
        """Wait until a text is printed after the last that was waited for, then leave time to read.

        Raises:
            AssertionError: it is not printed.
        """
        await self._waits(lambda: text in self.cast.shown[self._seen :], text)
        self._seen = self.cast.shown.index(text, self._seen) + len(text)
        await asyncio.sleep(read_s)

    async def shows(self, text: str, times: int = 1, read_s: float = READ_REPORT_S) -> None:
        """Wait until a text stands so often on the screen, then leave time to read.

        Raises:
            AssertionError: it does not.
        """
        await self._waits(lambda: "\n".join(self._screen.display).count(text) >= times, text)
        self._seen = len(self.cast.shown)
        await asyncio.sleep(read_s)

    async def _waits(self, is_there: Callable[[], bool], text: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not is_there():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            screen = "\n".join(self._screen.display)
            raise AssertionError(f"{text!r} does not appear on this screen:\n{screen}") from None

    async def run(self, line: str, read_s: float = READ_S) -> None:
        """Type a line at the shell, and let it end."""
        await self.press(f"{line}\n")
        await self.sees("\n", 0)
        await self.sees(PROMPT, read_s)


@contextlib.asynccontextmanager
async def terminal(
    cast: Cast, home: Path, folder: Path, command: Sequence[str] = SHELL
) -> AsyncIterator[Terminal]:
    """Open a terminal with a shell in a folder below `home`, which is shown as `~`."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (cast.rows, cast.columns))
    shell = subprocess.Popen(
        [found(command[0]), *command[1:]],
        cwd=folder,
        env=environ_of(home),
        preexec_fn=partial(os.login_tty, theirs),  # noqa: PLW1509 - no thread runs here yet
    )
    os.close(theirs)
    opened = Terminal(cast, ours)
    try:
        await opened.sees(PROMPT)
        yield opened
    finally:
        asyncio.get_running_loop().remove_reader(ours)
        os.close(ours)  # which hangs up: the shell ends, and what it runs
        await asyncio.to_thread(shell.wait)


def environ_of(home: Path) -> dict[str, str]:
    """Return what the shell is told: this tree's command, and nothing of this machine."""
    return {
        "PATH": PATH,
        "HOME": str(home),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "HISTFILE": "",
        "TMUX_TMPDIR": str(home),
        "PS1": rf"\[\e[1;34m\]\w\[\e[0m\] {PROMPT}",
    }


def found(program: str) -> str:
    """Return the path of a program that recordings need.

    Raises:
        SystemExit: it is not installed.
    """
    if path := shutil.which(program, path=PATH):
        return path
    sys.exit(f"recordings: {program} is needed, and is not on PATH")

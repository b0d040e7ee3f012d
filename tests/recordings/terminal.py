"""A shell in a terminal of fixed size: typed into, waited for, and recorded as it goes."""

import asyncio
import codecs
import contextlib
import os
import pty
import re
import shutil
import subprocess
import sys
import termios
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from time import monotonic

from tests.recordings.cast import Cast, Printed

KEY_S = 0.04
READ_S = 1.2
"""How long a reader is left with something new, if it is short."""
PATIENCE_S = 60.0
STEERING = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[@-Z\\-_])")
PROMPT = "$ "
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
        asyncio.get_running_loop().add_reader(ours, self._hear)

    def _hear(self) -> None:
        try:
            raw = os.read(self._ours, 65536)
        except OSError:  # the shell is gone
            raw = b""
        if not raw:
            asyncio.get_running_loop().remove_reader(self._ours)
        text = self._decoder.decode(raw)
        self.cast.printed.append(Printed(monotonic() - self._began_at, text))
        self._news.set()

    async def press(self, keys: str) -> None:
        """Press keys, one after the other, as fast as people do."""
        for key in keys:
            await asyncio.sleep(KEY_S)
            os.write(self._ours, key.encode())

    async def sees(self, text: str, read_s: float = READ_S) -> None:
        """Wait until a text appears after the last that was waited for, then leave time to read.

        Raises:
            AssertionError: it does not appear.
        """
        try:
            async with asyncio.timeout(PATIENCE_S):
                while (at := self._shown.find(text, self._seen)) < 0:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"no {text!r} in {self._shown[self._seen :]!r}") from None
        self._seen = at + len(text)
        await asyncio.sleep(read_s)

    async def run(self, line: str, read_s: float = READ_S) -> None:
        """Type a line at the shell, and let it end."""
        await self.press(f"{line}\n")
        await self.sees("\n", 0)
        await self.sees(PROMPT, read_s)

    @property
    def _shown(self) -> str:
        return STEERING.sub("", self.cast.text)


@contextlib.asynccontextmanager
async def terminal(cast: Cast, home: Path, folder: Path) -> AsyncIterator[Terminal]:
    """Open a terminal with a shell in a folder below `home`, which is shown as `~`."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (cast.rows, cast.columns))
    shell = subprocess.Popen(
        [found("bash"), "--norc", "--noprofile", "-i"],
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

"""A terminal's keys, one at a time, and the editor that borrows the terminal."""

import asyncio
import codecs
import contextlib
import os
import re
import shlex
import sys
import tempfile
import termios
import tty
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bridge.errors import ConfigurationError
from bridge.local.children import end_process

KEYS = {
    "\x1b[A": "up",
    "\x1bOA": "up",
    "k": "up",
    "\x1b[B": "down",
    "\x1bOB": "down",
    "j": "down",
    "\x1b[5~": "page up",
    "\x1b[6~": "page down",
    "\r": "enter",
    "\n": "enter",
    "\x1b": "back",
    "n": "newest",
    "r": "again",
    "e": "edit",
    "c": "console",
    "q": "quit",
}
_SENT = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1bO.|.", re.DOTALL)
"""One key: a sequence of ECMA-48, 5.4, or of SS3, or a character."""
NO_EDITOR = "no editor is named: set EDITOR, to nano say, and start again"
READ_BYTES = 1024


def can_draw(environ: Mapping[str, str]) -> bool:
    """Report whether there is a terminal that can be drawn on and has keys."""
    is_dumb = environ.get("TERM") in ("dumb", "unknown")
    return sys.stdin.isatty() and sys.stdout.isatty() and not is_dumb


def keys_in(text: str) -> Iterator[str]:
    """Name the keys that a terminal has sent; what means nothing is passed over."""
    for sent in _SENT.findall(text):
        if sent in KEYS:
            yield KEYS[sent]


@contextlib.contextmanager
def listening(terminal: int, press: Callable[[str], None]) -> Iterator[None]:
    """Have each key pressed while the block lasts, and none of them shown."""
    loop = asyncio.get_running_loop()
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    def read() -> None:
        pressed = b""
        with contextlib.suppress(OSError):
            pressed = os.read(terminal, READ_BYTES)
        if not pressed:  # the terminal is gone, and would be readable for ever
            loop.remove_reader(terminal)
        for key in keys_in(decode(pressed)):
            press(key)

    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    loop.add_reader(terminal, read)
    try:
        yield
    finally:
        loop.remove_reader(terminal)
        with contextlib.suppress(termios.error):  # it is gone
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def editor_of(environ: Mapping[str, str]) -> list[str]:
    """Return the command of the editor that is asked for.

    Raises:
        ConfigurationError: none is, or what is named is no command.
    """
    named = environ.get("VISUAL", "").strip() or environ.get("EDITOR", "").strip()
    try:
        command = shlex.split(named)
    except ValueError as error:
        said = (
            f"the editor {named} is no command ({error}): set EDITOR to nano, say, and start again"
        )
        raise ConfigurationError((said,)) from error
    if not any(command):
        raise ConfigurationError((NO_EDITOR,))
    return command


async def edited(text: str, editor: Sequence[str]) -> bytes:
    """Have a text edited in this terminal, and return what was saved.

    Raises:
        ConfigurationError: the editor cannot be started, has failed, or has left nothing to read.
    """
    with _file_with(text) as file:
        try:
            process = await asyncio.create_subprocess_exec(*editor, str(file))
        except OSError as error:
            said = f"{editor[0]} cannot be started: {error.strerror}; set EDITOR to another editor"
            raise ConfigurationError((said,)) from error
        if status := await _end_of(process):
            said = f"{editor[0]} has failed with status {status}: nothing is sent"
            raise ConfigurationError((said,))
        return _saved_in(file)


async def _end_of(editor: asyncio.subprocess.Process) -> int:
    """Wait until it has ended, and end it if nobody waits any more: its file goes then."""
    try:
        return await editor.wait()
    finally:
        await end_process(editor)


@contextlib.contextmanager
def _file_with(text: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "payload.json")
        # Half of a surrogate pair, which UTF-8 cannot hold, is written as its escape in JSON.
        file.write_text(text, encoding="utf-8", errors="backslashreplace")
        yield file


def _saved_in(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        said = f"nothing is sent, for the editor has left no file to read: {error.strerror}"
        raise ConfigurationError((said,)) from error

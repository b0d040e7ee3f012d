"""SIGHUP: to reload, and the end of a terminal."""

import os
import pty
import signal
import sys
from pathlib import Path

import pytest

from tests.waiting import wait_until

PROGRAM = """
import asyncio, signal, sys
{before}
from bridge.local.hangups import Hangups
hangups = Hangups()

async def main():
    async def reload():
        print("reloaded", file=open(sys.argv[1], "a"), flush=True)
    serving = asyncio.create_task(hangups.serve(reload))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print("ready", file=open(sys.argv[1], "a"), flush=True)
    await stop.wait()
    print("stopped", file=open(sys.argv[1], "a"), flush=True)

asyncio.run(main())
"""
NOHUP = "signal.signal(signal.SIGHUP, signal.SIG_IGN)"


async def await_line(file: Path, line: str) -> None:
    """Wait until a program has said so."""

    def is_said() -> bool:
        return line in (file.read_text().splitlines() if file.exists() else ())

    await wait_until(is_said, line)


@pytest.mark.parametrize(
    ("before", "is_ended"), [("", True), (NOHUP, False)], ids=["in a terminal", "nohup"]
)
async def test_a_hangup_reloads_until_the_terminal_is_gone(
    tmp_path: Path, before: str, is_ended: bool
) -> None:
    said = tmp_path / "said"
    program = PROGRAM.format(before=before)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", program, str(said)])
    try:
        await await_line(said, "ready")
        os.kill(pid, signal.SIGHUP)
        await await_line(said, "reloaded")
        os.close(terminal)
        if is_ended:
            await await_line(said, "stopped")
            assert said.read_text().count("reloaded") == 1
        else:
            os.kill(pid, signal.SIGTERM)
            await await_line(said, "stopped")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

"""What is recorded: each command of the authors', as somebody uses it who has a reason to."""

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.local.ports import listen
from bridge.local.valkey import find_server
from bridge.standin.serving import serving
from bridge.standin.standin import Standin
from tests.recordings.terminal import PROMPT, READ_REPORT_S, SHELL, Terminal, environ_of, found

ANSWERS = "answers.yaml"
OTHER_PANE = "\x02o"
PANES = (
    *("tmux", "new-session", *SHELL, ";", "split-window", "-l", "9", *SHELL, ";"),
    *("select-pane", "-U"),
)
EVENT = (
    'curl -s localhost:8080/hooks/support/approval -H "Authorization: Bearer $SUPPORT_HOOK_TOKEN" '
    """--json '{"request": "May I delete the old backups?"}'; echo\n"""
)
N8N_PORT, REDIS_PORT = 5678, 6379
EVICTING = (
    f"--port {REDIS_PORT} --bind 127.0.0.1 --logfile log --appendonly yes --appendfsync always "
    "--maxmemory 256mb --maxmemory-policy allkeys-lru"
).split()


@contextlib.asynccontextmanager
async def nothing(home: Path) -> AsyncIterator[Path]:
    """A home with nothing in it."""
    yield home


async def new(shell: Terminal) -> None:
    """Write a server by answering questions, and look at what came of it."""
    await shell.press("n8n-bridge new\n")
    await shell.sees("What is the server called?")
    await shell.press("support\n")
    await shell.sees("Number [1]:")
    await shell.press("2\n")
    await shell.sees("Number [1]:")
    await shell.press("2\n")
    await shell.sees(PROMPT)
    await shell.run("cd support && ls -A")
    await shell.run("cat config/servers/support.yaml", READ_REPORT_S)
    await shell.run("n8n-bridge check")


def made(home: Path, kind: str) -> Path:
    """Have a server written, and return its folder."""
    command = [found("n8n-bridge"), "new", "support", "--kind", kind]
    subprocess.run(command, cwd=home, env=environ_of(home), check=True, capture_output=True)
    return home / "support"


@contextlib.asynccontextmanager
async def broken(home: Path) -> AsyncIterator[Path]:
    """A server whose Redis evicts, and whose settings name n8n at a port where it is not."""
    folder = made(home, "tool")
    with (folder / ".env").open("a") as settings:
        settings.write(f"BRIDGE_REDIS_URL=redis://127.0.0.1:{REDIS_PORT}/0\n")
        settings.write(f"BRIDGE_N8N_URL=http://127.0.0.1:{N8N_PORT + 1}\n")
    async with serving(Standin(), N8N_PORT), evicting_redis(home / "redis"):
        yield folder


@contextlib.asynccontextmanager
async def evicting_redis(folder: Path) -> AsyncIterator[None]:
    """Run a Redis, durable, but set to throw away what it has when memory is short."""
    folder.mkdir()
    listen("127.0.0.1", REDIS_PORT).close()  # nobody else's Redis shall be mended
    process = await asyncio.create_subprocess_exec(find_server(), *EVICTING, cwd=folder)
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def doctor(shell: Terminal) -> None:
    """Find out what is wrong with a set-up, mend it as is said, and look again."""
    await shell.run("n8n-bridge doctor", READ_REPORT_S)
    await shell.run("redis-cli config set maxmemory-policy noeviction")
    await shell.run("sed -i s/5679/5678/ .env")
    await shell.run("n8n-bridge doctor")


@contextlib.asynccontextmanager
async def two_panes(home: Path) -> AsyncIterator[Path]:
    """A server that asks for approvals, what a fake Claude answers, and how the panes look."""
    folder = made(home, "approval")
    (folder / ANSWERS).write_text(
        "answers:\n"
        "  - hook: approval\n"
        "    delay: 1s\n"
        "    reply: {approved: true, reason: They are older than a year.}\n"
    )
    (home / ".tmux.conf").write_text("set -g status off\nset -g destroy-unattached on\n")
    yield folder


async def dev(shell: Terminal) -> None:
    """Have an event answered, break the server file and mend it, and send the event again."""
    await shell.press(f"n8n-bridge dev --fake-n8n --fake-claude {ANSWERS}\n")
    await shell.shows("nothing yet")
    await shell.press(OTHER_PANE)
    await shell.run(". ./.env")
    await shell.press(EVENT)
    await shell.shows("answered")
    await shell.press("sed -i s/answer_within/answer_wihtin/ config/servers/support.yaml\n")
    await shell.shows("did you mean")
    await shell.press("sed -i s/answer_wihtin/answer_within/ config/servers/support.yaml\n")
    await shell.shows("sound again")
    await shell.press(f"{OTHER_PANE}r")
    await shell.shows("answered", 2)
    await shell.press("\r")
    await shell.shows("older than a year")
    shown = len(shell.cast.moments)
    await shell.press("q")
    await shell.sees(PROMPT)
    del shell.cast.moments[shown:]


@dataclass(frozen=True)
class Scene:
    """What is there before it begins, and what is typed."""

    title: str
    rows: int
    stage: Callable[[Path], contextlib.AbstractAsyncContextManager[Path]]
    play: Callable[[Terminal], Awaitable[None]]
    command: Sequence[str] = SHELL


SCENES = {
    "new": Scene("n8n-bridge new: from nothing to a server", 30, nothing, new),
    "doctor": Scene("n8n-bridge doctor: what is wrong, and how to mend it", 36, broken, doctor),
    "dev": Scene("n8n-bridge dev: an event, an edit, and again", 32, two_panes, dev, PANES),
}

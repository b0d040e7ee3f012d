"""`dev` on a terminal: what it shows, and what its keys do, through a pty."""

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import re
import struct
import termios
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from bridge.client.proofs import proof_for
from bridge.configuration.servers import Hook
from tests.forked import end_at_last
from tests.process.test_dev import ANSWERS, SECRETS, SERVERS, settings_of
from tests.processes import AS_STARTED, ROOT
from tests.waiting import wait_until

START_S = 30.0
LINES, COLUMNS = 40, 170
STEERING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
DOWN, ENTER = "\x1b[B", "\r"


class Screen:
    """A terminal of `dev`'s: what it shows, and the keys that are pressed in it."""

    def __init__(self, terminal: int, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self._terminal = terminal
        self._drawn = ""
        asyncio.get_running_loop().add_reader(terminal, self._read)

    def _read(self) -> None:
        try:
            read = os.read(self._terminal, 65536)
        except OSError:  # nobody has the other side any more
            asyncio.get_running_loop().remove_reader(self._terminal)
            return
        self._drawn += read.decode(errors="replace")

    @property
    def shown(self) -> str:
        """What was drawn last."""
        return STEERING.sub("", self._drawn.rpartition("\x1b[H")[2])

    def press(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    async def shows(self, pattern: str) -> re.Match[str]:
        """Wait until something is shown; returns it."""

        def is_shown() -> bool:
            assert self.process.returncode is None, self._drawn
            return re.search(pattern, self.shown) is not None

        await wait_until(is_shown, f"{pattern} on\n{self.shown}", START_S)
        found = re.search(pattern, self.shown)
        assert found is not None
        return found


@contextlib.asynccontextmanager
async def on_a_terminal(environ: dict[str, str], *options: str) -> AsyncIterator[Screen]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    inherited = {name: value for name, value in os.environ.items() if "BRIDGE_" not in name}
    for name in ("EDITOR", "VISUAL", "COLUMNS", "LINES"):
        inherited.pop(name, None)
    process = await asyncio.create_subprocess_exec(
        *AS_STARTED,
        "dev",
        *options,
        env={**inherited, "PYTHONPATH": str(ROOT), "TERM": "xterm", **environ},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    screen = Screen(ours, process)
    try:
        yield screen
    finally:
        if process.returncode is None:
            end_at_last(process)
        await process.wait()
        asyncio.get_running_loop().remove_reader(ours)
        os.close(ours)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return settings_of(tmp_path)


async def send_signed(environ: dict[str, str], payload: object) -> str:
    """Send an event to the hook that takes signatures; returns its id."""
    body = json.dumps(payload).encode()
    hook = Hook.model_validate({"auth": {"github": SECRETS["HOOK"]}})
    async with httpx2.AsyncClient(trust_env=False) as http:
        url = f"http://127.0.0.1:{environ['BRIDGE_PORT']}/hooks/support/ticket"
        beside = {"content-type": "application/json", "x-note": "日本"}
        headers = httpx2.Headers(beside | proof_for(hook, body, time.time()), encoding="utf-8")
        answer = await http.post(url, content=body, headers=headers, params={"a": ["1", "2"]})
    return str(answer.raise_for_status().json()["event_id"])


async def test_events_and_calls_are_shown_sent_again_edited_and_left(
    environ: dict[str, str], tmp_path: Path
) -> None:
    editor = tmp_path / "editor"
    edits = """-e 's/: edited/: "mended"/' -e 's/"edited"/edited/' -e 's/"invoice"/"edited"/'"""
    editor.write_text(f"#!/bin/sh\nsed -i {edits} $1\n")
    editor.chmod(0o755)
    options = ("--fake-n8n", "--fake-claude", str(tmp_path / "answers.yaml"))
    async with on_a_terminal(environ | {"EDITOR": str(editor)}, *options) as screen:
        call = (await screen.shows(r"▶ .* call .* (call_\S+) +succeeded +alice"))[1]
        sent = await send_signed(environ, {"subject": "invoice"})
        await screen.shows(rf"▶ .* support/ticket +{sent} +answered +alice +received → leased")
        screen.press("r")
        again = (await screen.shows(r"sent again to support/ticket as (\S+)"))[1]
        assert again != sent
        await screen.shows(rf"▶ .* {again} +answered")
        screen.press("c")
        await screen.shows(rf"http://127.0.0.1:\d+/console/events/{again}")
        screen.press("e")
        edited = (await screen.shows(rf"sent again to support/ticket as (?!{again})(\S+)"))[1]
        await screen.shows(rf"▶ .* {edited} +answered")
        screen.press("e")
        await screen.shows("what was saved is not sent: not JSON: a value is expected")
        screen.press("e")
        mended = (await screen.shows(rf"again to support/ticket as (?!{again}|{edited})(\S+)"))[1]
        await screen.shows(rf"▶ .* {mended} +answered")
        screen.press(ENTER)
        await screen.shows(r'"subject": "mended"')
        await screen.shows(r'"x-note": "日本"')
        await screen.shows(r"timeline:")
        await send_signed(environ, {"subject": "invoice"})
        screen.press(ENTER)
        await screen.shows(rf"▶ .* {mended} +answered")
        screen.press(DOWN * 4)
        await screen.shows(rf"▶ .* {call}")
        screen.press("r")
        await screen.shows(r"support/find has run again")
        await screen.shows(r" call .* (?!" + call + r")call_\S+ +succeeded")

        (tmp_path / "servers" / "support.yaml").write_text(SERVERS.replace("title", "titel"))
        await screen.shows(r"✗ \S+support.yaml:3: titel is an unknown key")
        (tmp_path / "servers" / "support.yaml").write_text(SERVERS.replace("ticket", "letter"))
        (tmp_path / "answers.yaml").write_text(ANSWERS.replace("ticket", "letter"))
        await screen.shows("all files are sound again")
        screen.press("n" + DOWN + "r")
        await screen.shows("no server file has the hook support/ticket any more")
        async with on_a_terminal(environ) as second:
            assert await second.process.wait() == 1
        assert (tmp_path / "data" / "dev.log").read_bytes()
        screen.press("q")
        assert await screen.process.wait() == 0


async def test_details_of_an_event_go_on_as_it_does(
    environ: dict[str, str], tmp_path: Path
) -> None:
    answers = tmp_path / "answers.yaml"
    answers.write_text("answers: [{hook: ticket, delay: 2s}]")
    async with on_a_terminal(environ, "--fake-n8n", "--fake-claude", str(answers)) as screen:
        await screen.shows("nothing yet")
        sent = await send_signed(environ, {})
        await screen.shows(rf"▶ .* {sent} +leased")
        screen.press(ENTER)
        await screen.shows(rf"{sent}  leased")
        await screen.shows(rf"{sent}  answered")


async def test_a_terminal_that_cannot_be_drawn_on_is_written_to_in_what_letters_it_has(
    environ: dict[str, str], tmp_path: Path
) -> None:
    poor = {"TERM": "dumb", "PYTHONIOENCODING": "latin-1"}
    options = ("--fake-n8n", "--fake-claude", str(tmp_path / "answers.yaml"))
    async with on_a_terminal(environ | poor, *options) as screen:
        await screen.shows(r"call   support/find  call_\S+  succeeded  by alice  \(queued \\u2192 ")

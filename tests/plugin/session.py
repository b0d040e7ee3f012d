"""Claude Code as people have it: installed plugins, and interactive sessions in a terminal."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from bridge.local.die_with_parent import tied_to_parent
from tests.bridge_processes import ROOT
from tests.hosts.environment import environment

PLUGIN = ROOT / "config" / "claude-plugin"
NAME = "n8n-bridge@n8n-claude-bridge"
KEY = "sk-none-is-needed-on-loopback"
ALLOWED = "mcp__plugin_n8n-bridge_n8n"
COLUMNS, ROWS = 120, 40


class ClientError(Exception):
    """A command of Claude Code failed, or a session did not start."""


@dataclass(frozen=True)
class ClaudeHome:
    """A user of Claude Code who has nothing but what a test has given: `claude` is the command."""

    claude: str
    folder: Path
    model_url: str

    @property
    def environ(self) -> dict[str, str]:
        """What each of this user's programs is told."""
        return environment(
            self.folder,
            ANTHROPIC_BASE_URL=self.model_url,
            ANTHROPIC_API_KEY=KEY,
            CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
            DISABLE_AUTOUPDATER="1",
            TERM="xterm-256color",
            LANG="C.UTF-8",
            TMUX_TMPDIR=str(self.folder),
            N8N_BRIDGE=str(ROOT / ".venv" / "bin" / "n8n-bridge"),
        )

    @property
    def work(self) -> Path:
        """The folder that sessions work in."""
        return self.folder / "work"

    def settle(self) -> None:
        """Answer what Claude Code asks at its first start, as people do."""
        self.work.mkdir(parents=True)
        trusted = {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}
        known = {
            "hasCompletedOnboarding": True,
            "theme": "dark",
            "customApiKeyResponses": {"approved": [KEY[-20:]], "rejected": []},
            "projects": {str(self.work): trusted},
        }
        (self.folder / ".claude.json").write_text(json.dumps(known))

    async def run(self, *arguments: str) -> str:
        """Run a command of Claude Code to its end; returns what it says.

        Raises:
            ClientError: it failed.
        """
        process = await asyncio.create_subprocess_exec(
            *tied_to_parent(self.claude, *arguments),
            cwd=self.work,
            env=self.environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said = (await process.communicate())[0].decode()
        if process.returncode:
            raise ClientError(f"claude {' '.join(arguments)}: {said}")
        return said

    async def install(self, address: str, token: str) -> None:
        """Install the plugin from its marketplace file, with its settings."""
        await self.run("plugin", "marketplace", "add", str(PLUGIN))
        given = ("--config", f"address={address}", "--config", f"token={token}")
        await self.run("plugin", "install", NAME, *given)


class Session:
    """An interactive session in a terminal of tmux, which may be killed and started again."""

    def __init__(self, home: ClaudeHome, socket: str) -> None:
        self._home = home
        self._socket = socket

    async def start(self) -> None:
        """Start it; it is told nothing."""
        debug = self._home.folder / f"debug-{secrets.token_hex(4)}.txt"
        await self._tmux(
            *("new-session", "-d", "-s", "it", "-x", str(COLUMNS), "-y", str(ROWS)),
            *("-c", str(self._home.work)),
            f"exec {self._home.claude} --allowedTools {ALLOWED} --debug-file {debug}",
        )

    async def kill(self) -> None:
        """Kill Claude Code, as a closed lid or the system's want of memory does."""
        pid = int(await self._tmux("display-message", "-p", "-t", "it", "#{pane_pid}"))
        os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ClientError):
            await self._tmux("kill-session", "-t", "it")

    async def screen(self) -> str:
        """Return what a person would see."""
        return await self._tmux("capture-pane", "-p", "-t", "it")

    async def _tmux(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *("tmux", "-L", self._socket, "-f", os.devnull, *arguments),
            env=self._home.environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said = (await process.communicate())[0].decode()
        if process.returncode:
            raise ClientError(f"tmux {arguments[0]}: {said}")
        return said.strip()


@contextlib.asynccontextmanager
async def session(home: ClaudeHome) -> AsyncIterator[Session]:
    """Have a session that ends with the block, and with this process however that ends."""
    socket = secrets.token_hex(4)
    server = await asyncio.create_subprocess_exec(
        *tied_to_parent("tmux", "-L", socket, "-D", "-f", os.devnull),
        env=home.environ,
        stdin=asyncio.subprocess.DEVNULL,
    )
    try:
        there = home.folder / f"tmux-{os.getuid()}" / socket
        while not there.exists():
            await asyncio.sleep(0.05)
        opened = Session(home, socket)
        await opened.start()
        yield opened
    finally:
        server.terminate()
        await server.wait()

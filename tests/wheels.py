"""The distributions that are built from this tree, programs installed from them, and a try."""

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path

import httpx2
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from bridge.configuration.demo import HOOK_TOKEN
from tests.claude import use
from tests.processes import ROOT, Running, running
from tests.waiting import wait_until

START_S = 30.0
FIRST_HEADING_OF_THE_LAST_PART = "\nn8n is "


def build(folder: Path, *targets: str, tree: Path = ROOT) -> None:
    """Build the `wheel`, the `sdist` or both of a tree into a folder, with what is here."""
    chosen = [word for target in targets for word in ("--target", target)]
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder), *chosen]
    subprocess.run(command, cwd=tree, check=True, capture_output=True)


def empty_environment(folder: Path) -> Path:
    """Make an environment with nothing in it; return the folder of its programs."""
    venv.create(folder, symlinks=True)
    return folder / "bin"


def install(programs: Path, *what: str) -> None:
    """Install into an environment with the pip of this one."""
    pip = [sys.executable, "-m", "pip", "--python", str(programs / "python"), "install", "--quiet"]
    subprocess.run([*pip, *what], check=True, env={**os.environ, "PYTHONPATH": ""})


def install_alone(programs: Path, wheel: Path) -> None:
    """Install a wheel; what it needs is borrowed from this environment, without this tree.

    Files that end in `.pth`, such as the one that names this tree, count in an environment's own
    folder only, not in one that is named by such a file.
    """
    install(programs, "--no-deps", "--no-index", str(wheel))
    purelib = sysconfig.get_path("purelib", vars={"base": str(programs.parent)})
    (Path(purelib) / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n")


async def welcomed(up: Running) -> None:
    """Wait until `up` has printed all of its welcome."""

    def is_welcomed() -> bool:
        assert up.process.returncode is None, up.output
        return FIRST_HEADING_OF_THE_LAST_PART in up.output

    await wait_until(is_welcomed, "the welcome's last part", START_S)


async def try_demo(program: str, folder: Path, environ: Mapping[str, str]) -> str:
    """Start `up` where no server files are, take a question and run a workflow; return its output.

    Claude's client is one that starts the program as well, in the same folder.
    """
    async with running("up", environ=environ, folder=folder, program=(program,)) as up:
        await welcomed(up)
        await ask(environ)
        stdio = StdioServerParameters(
            command=program, args=["stdio", "demo"], cwd=folder, env=dict(environ)
        )
        async with Client(stdio_client(stdio)) as client:
            taken = await use(client, "take_event")
            assert taken["payload"] == {"question": "Which plan?"}, taken
            ran = await use(client, "slow_tool", seconds=0, label="from a wheel")
            assert ran["label"] == "from a wheel", ran
        up.process.terminate()
        assert await up.ended() == 0, up.output
    return up.output


async def ask(environ: Mapping[str, str], server: str = "demo") -> None:
    """Send the hook of a server a question."""
    async with httpx2.AsyncClient() as http:
        answer = await http.post(
            f"http://127.0.0.1:{environ['BRIDGE_PORT']}/hooks/{server}/question",
            headers={"authorization": f"Bearer {environ[HOOK_TOKEN]}"},
            json={"question": "Which plan?"},
        )
    assert answer.status_code == httpx2.codes.ACCEPTED, answer.text

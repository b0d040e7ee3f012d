"""Peers that are not the project's own: each in an environment of its own, in one version."""

import asyncio
import sys
from pathlib import Path

from tests.bench.program import ROOT

FOLDER = ROOT / ".data" / "peers"
PACKAGES = {
    "tasks": "fastmcp[tasks]==4.1.2",
    "contextforge": "mcp-contextforge-gateway==1.0.7.post20260921",
}
"""What is installed from the index for a peer, by its name."""


async def python_of(peer: str) -> Path:
    """Return the Python of a peer's environment, which is made the first time.

    Raises:
        RuntimeError: it could not be installed.
    """
    folder = FOLDER / PACKAGES[peer]
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        await _run(sys.executable, "-m", "venv", "--clear", str(folder))
        await _run(str(python), "-m", "pip", "install", "--quiet", PACKAGES[peer])
        (folder / "ready").touch()
    return python


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: {said.decode()[-1000:]}")

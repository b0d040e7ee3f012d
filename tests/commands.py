"""Commands of the bridge in this process: what they say and how they end, without a start of 1 s.

What signals, pipes or several processes have a part in is for `tests.processes`.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from click.testing import CliRunner

import bridge.__main__  # noqa: F401 - it adds the worker's command
from bridge.cli.main import commands


async def run(
    *command: str, environ: Mapping[str, str], folder: Path | None = None
) -> tuple[int, str]:
    """Run a command to its end; returns its exit status and output, as `processes.run`.

    It sees no `BRIDGE_*` but those given. What it raises that is no answer of its own is raised.
    """
    return await asyncio.to_thread(_run, command, environ, folder)


def _run(
    command: tuple[str, ...], environ: Mapping[str, str], folder: Path | None
) -> tuple[int, str]:
    hidden = dict.fromkeys((name for name in os.environ if "BRIDGE_" in name), None)
    with logging_kept(), contextlib.chdir(folder or Path.cwd()):
        ran = CliRunner().invoke(
            commands, command, env={**hidden, **environ}, prog_name="n8n-bridge"
        )
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    return ran.exit_code, ran.output


@contextlib.contextmanager
def logging_kept() -> Iterator[None]:
    """Undo what a command says about logging, which is for a whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in ("bridge", "workers", "audit")}
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        root.handlers[:] = handlers
        root.setLevel(level)
        for name, was in levels.items():
            logging.getLogger(name).setLevel(was)

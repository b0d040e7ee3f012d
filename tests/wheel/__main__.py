"""`python -m tests.wheel`: builds what is published into dist/, installs it alone, and tries it."""

import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import click
import uvloop

from bridge.configuration.demo import HOOK_TOKEN, TOKEN
from bridge.local.ports import free_port
from tests.processes import ROOT
from tests.wheels import build, empty_environment, install, try_demo

DIST = ROOT / "dist"


@click.command()
@click.option("--newest", is_flag=True, help="Lock no version of what it needs.")
def main(*, newest: bool) -> None:
    """Build the wheel and the sdist, and try the wheel where nothing else is installed."""
    shutil.rmtree(DIST, ignore_errors=True)
    step("built", lambda: build(DIST, "sdist", "wheel"))
    (wheel,), (sdist,) = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
    with tempfile.TemporaryDirectory(prefix="wheel-") as name:
        folder = Path(name)
        step("the sdist makes the same wheel", lambda: demand_same(wheel, sdist, folder))
        programs = empty_environment(folder / "env")
        locked = () if newest else ("--constraint", str(ROOT / "requirements.lock"))
        step("installed", lambda: install(programs, str(wheel), *locked))
        step("up and tried in an empty folder", lambda: try_it(programs, folder))
    click.echo(f"{wheel.relative_to(ROOT)} and {sdist.relative_to(ROOT)} are good to publish")


def step(what: str, work: Callable[[], None]) -> None:
    """Do one thing and print how long it took."""
    started = time.monotonic()
    work()
    click.echo(f"{time.monotonic() - started:6.1f} s  {what}")


def demand_same(wheel: Path, sdist: Path, folder: Path) -> None:
    """Build a wheel from the sdist, as an installer does, and compare it with the tree's."""
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--wheel-dir", str(folder), str(sdist)], check=True)
    (again,) = folder.glob("*.whl")
    if contents(again) != contents(wheel):
        differing = contents(again).items() ^ contents(wheel).items()
        raise click.ClickException(f"they differ in {sorted({name for name, _ in differing})}")


def contents(wheel: Path) -> dict[str, int]:
    """Return the checksum of each file that a wheel installs, but for what says who built it."""
    files = zipfile.ZipFile(wheel).infolist()
    return {file.filename: file.CRC for file in files if ".dist-info/" not in file.filename}


def try_it(programs: Path, folder: Path) -> None:
    """Let the installed command serve its demo, with a question and a workflow there and back."""
    empty = folder / "empty"
    empty.mkdir()
    environ = {
        "BRIDGE_DATA_DIR": str(folder / "data"),
        "BRIDGE_PORT": str(free_port()),
        TOKEN: "claude-of-the-wheel",
        HOOK_TOKEN: "n8n-of-the-wheel",
    }
    uvloop.run(try_demo(str(programs / "n8n-bridge"), empty, environ))


if __name__ == "__main__":
    main()

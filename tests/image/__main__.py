"""`python -m tests.image`: the Dockerfile's steps as plain commands, and a try of what they make.

For where no engine runs containers. An empty folder stands for the root, no variable is inherited,
and only what Dockerfile.dockerignore lets through is there to be copied. Steps that need a root of
their own (its user) are named and left out.
"""

import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import uvloop

from bridge.configuration.demo import HOOK_TOKEN, TOKEN
from bridge.local.ports import free_port
from tests.deploy.dockerfile import steps
from tests.processes import ROOT
from tests.wheels import try_demo

PLACES = ("/source", "/opt/bridge")
OF_ITS_ROOT = ("groupadd",)


@click.command()
def main() -> None:
    """Run the steps, then `up` as the image would: its demo, a question and a workflow."""
    with tempfile.TemporaryDirectory(prefix="image-") as name:
        root, folder = Path(name), Path("/")
        for step, rest in steps():
            if step == "WORKDIR":
                folder = Path(rest)
                inside(root, folder).mkdir(parents=True, exist_ok=True)
            elif step == "COPY" and not rest.startswith("--from"):
                copy(rest.split(), root, folder)
            elif step == "RUN" and rest.startswith(OF_ITS_ROOT):
                click.echo(f"left out: {rest.split(' ')[0]} …")
            elif step == "RUN":
                click.echo(rest)
                run(rest, root, folder)
        program, data = root / "opt" / "bridge" / "bin" / "n8n-bridge", root / "data"
        uvloop.run(try_demo(str(program), inside(root, folder), environ(data)))
    click.echo("the image's steps make a bridge that serves its demo")


def inside(root: Path, path: Path) -> Path:
    """Return the place of an absolute path below another root."""
    return root / path.relative_to("/")


def copy(words: list[str], root: Path, folder: Path) -> None:
    """Copy what the build is sent."""
    *sources, target = words
    to = inside(root, folder / target)
    for source in (ROOT / each for each in sources):
        if source.is_dir():
            shutil.copytree(source, to, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            place = to if len(sources) == 1 and not target.endswith("/") else to / source.name
            place = place / source.name if place.is_dir() else place
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, place)


def run(command: str, root: Path, folder: Path) -> None:
    """Run a step in a shell without anything of this environment."""
    for place in PLACES:
        command = command.replace(place, shlex.quote(f"{root}{place}"))
    path = f"{Path(sys.base_prefix) / 'bin'}:/usr/bin:/bin"
    ran = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=inside(root, folder),
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode != 0:
        raise click.ClickException(f"{ran.stdout}{ran.stderr}")


def environ(data: Path) -> dict[str, str]:
    """Return the settings of a try beside whatever else listens here."""
    return {
        "BRIDGE_DATA_DIR": str(data),
        "BRIDGE_PORT": str(free_port()),
        TOKEN: "the-token-of-claude",
        HOOK_TOKEN: "the-token-of-the-hook",
    }


if __name__ == "__main__":
    main()

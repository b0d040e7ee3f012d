"""`python -m tests.recordings [NAME...]`: records the authors' commands anew, for the docs."""

import asyncio
import tempfile
from pathlib import Path

import click

from tests.recordings.cast import Cast
from tests.recordings.picture import svg
from tests.recordings.scenes import SCENES, Scene
from tests.recordings.terminal import READ_REPORT_S, terminal

COLUMNS = 110
FOLDER = Path(__file__).parents[2] / "docs" / "recordings"


@click.command()
@click.argument("names", nargs=-1, type=click.Choice([*SCENES]))
def main(names: tuple[str, ...]) -> None:
    """Record the scenes NAMES, or all of them."""
    for name in names or SCENES:
        cast = asyncio.run(recorded(SCENES[name])).shortened(READ_REPORT_S).scrubbed()
        cast.write(FOLDER / f"{name}.cast")
        (FOLDER / f"{name}.svg").write_text(svg(cast))
        click.echo(f"written: docs/recordings/{name}.cast and {name}.svg")


async def recorded(scene: Scene) -> Cast:
    """Play a scene in a home of its own."""
    cast = Cast(scene.title, COLUMNS, scene.rows)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as named:
        home = Path(named)
        async with (
            scene.stage(home) as folder,
            terminal(cast, home, folder, scene.command) as shell,
        ):
            await scene.play(shell)
    return cast


if __name__ == "__main__":
    main()

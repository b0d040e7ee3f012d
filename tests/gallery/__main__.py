"""`make gallery`: plays every example on the stand-in, and on a real n8n where one is named."""

import asyncio
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from tests.gallery.examples import Example, examples
from tests.gallery.stage import Stage, on_real_n8n, on_standin
from tests.n8n.real import API_KEY, URL

Opened = Callable[[Path], AbstractAsyncContextManager[Stage]]


@dataclass(frozen=True)
class Outcome:
    """What became of an example at one n8n; `failure` is empty when it did its job."""

    failure: str
    took_s: float

    @property
    def word(self) -> str:
        """Return it in a word."""
        return "failed" if self.failure else "ok"


@click.command()
@click.argument("names", nargs=-1)
def gallery(names: tuple[str, ...]) -> None:
    """Play the examples of these NAMES, or all; status 1 when one has not done its job."""
    if URL and not API_KEY:
        raise click.UsageError("BRIDGE_TEST_N8N_API_KEY is not set: no workflow can be imported")
    if unknown := set(names) - {example.name for example in examples()}:
        raise click.BadParameter(f"there is no example {', '.join(sorted(unknown))}")
    chosen = [example for example in examples() if not names or example.name in names]
    on_standin_is = asyncio.run(played(on_standin, chosen))
    on_n8n_is = asyncio.run(played(on_real_n8n, chosen)) if URL else {}
    table = Table("example", "what it shows", "stand-in", "real n8n", "seconds")
    for example in chosen:
        outcomes = [each[example.name] for each in (on_standin_is, on_n8n_is) if each]
        seconds = " / ".join(f"{outcome.took_s:.1f}" for outcome in outcomes)
        words = [outcome.word for outcome in outcomes]
        table.add_row(example.name, example.shows, *[*words, "not asked"][:2], seconds)
    Console().print(table)
    failures = [each.failure for each in (*on_standin_is.values(), *on_n8n_is.values())]
    click.echo("\n".join(filter(None, failures)))
    sys.exit(any(failures))


async def played(opened: Opened, chosen: list[Example]) -> dict[str, Outcome]:
    """Play examples one after the other; return what became of each."""
    outcomes: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory(prefix="bridge-gallery-") as folder:
        async with opened(Path(folder)) as stage:
            for example in chosen:
                outcomes[example.name] = await outcome_of(stage, example)
    return outcomes


async def outcome_of(stage: Stage, example: Example) -> Outcome:
    """Play an example; whatever it fails by is its outcome."""
    started = time.monotonic()
    try:
        await stage.play(example)
    except Exception:  # noqa: BLE001 - the others are still to be played
        return Outcome(f"{example.name}: {traceback.format_exc()}", time.monotonic() - started)
    return Outcome("", time.monotonic() - started)


if __name__ == "__main__":
    gallery()

"""The `worker` command."""

from collections.abc import Mapping

import click

CONCURRENCY = 1000


@click.command()
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    default=CONCURRENCY,
    show_default=True,
    help="How many calls may wait on n8n at once.",
)
@click.pass_obj
def worker(environ: Mapping[str, str], concurrency: int) -> None:
    """Run one worker process: calls n8n's workflows and sends Claude's replies."""
    import asyncio

    from uvicorn.loops.auto import auto_loop_factory

    from bridge.configuration.load import process_configuration
    from workers.main import run_worker

    configuration = process_configuration(environ)
    settings = configuration.settings
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        runner.run(run_worker(settings, configuration.servers, concurrency))

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
@click.option(
    "--reload", "is_reloading", is_flag=True, help="Read server files anew when they change."
)
@click.option(
    "--metrics-port",
    type=click.IntRange(1, 65535),
    help="Show this process's own numbers to Prometheus on a port.",
)
@click.option(
    "--metrics-host",
    default="127.0.0.1",
    show_default=True,
    help="The address of that port; whoever reaches it may read them.",
)
@click.option("--keep-going", "keeps_going", is_flag=True, hidden=True)
@click.pass_obj
def worker(
    environ: Mapping[str, str],
    concurrency: int,
    metrics_port: int | None,
    metrics_host: str,
    *,
    is_reloading: bool,
    keeps_going: bool,
) -> None:
    """Run one worker process: calls n8n's workflows and sends Claude's replies."""
    import asyncio

    from bridge.local.hangups import Hangups

    hangups = Hangups()
    from uvicorn.loops.auto import auto_loop_factory

    from bridge.configuration.current import CurrentAlerts, Servers
    from bridge.configuration.load import process_configuration
    from bridge.meters import show_meters
    from bridge.reload import Reloader
    from bridge.span_export import begin_tracing
    from workers.main import run_worker

    changes = None
    if is_reloading:
        from bridge.configuration.changes import file_changes

        changes = file_changes(environ)
    configuration = process_configuration(environ, keeps_going=keeps_going)
    settings, servers = configuration.settings, Servers(configuration.servers)
    begin_tracing(environ, "worker")
    if metrics_port:
        show_meters(metrics_host, metrics_port)
    alerts = CurrentAlerts(configuration.alerts)
    reloader = Reloader(environ, settings, servers, hangups, changes, keeps_going, alerts)
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        runner.run(run_worker(reloader, concurrency))

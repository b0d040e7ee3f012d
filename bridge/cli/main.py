"""The commands of `n8n-bridge`. Exit status: 0 success, 1 a fault found, 2 wrong use.

A command imports what it runs when it runs, and `--help` imports none of it: all of it takes more
than a second to load, and half of that is MCP's, which most commands have no use for.
"""

import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click
from typing_extensions import override

from bridge import __version__
from bridge.errors import BridgeError, ConfigurationError
from bridge.log import configure_logging, log_beside, printable

STAND_IN_DRAIN_S = 1.0

Load = Callable[[], click.Command]

reloading = click.option(
    "--reload",
    "is_reloading",
    is_flag=True,
    help="Read server files and alerts anew when they change.",
)
keeping_going = click.option(
    "--keep-going", "keeps_going", is_flag=True, hidden=True, help="Serve what files are sound."
)


class LoadedLater(click.Command):
    """A command of which only the name and the line in `--help` are known until it is used."""

    def __init__(self, name: str, load: Load) -> None:
        super().__init__(name, help=load.__doc__)
        self.load = load


class Commands(click.Group):
    """A group whose commands answer what is wrong with a line for each fault, and status 1."""

    def later(self, name: str) -> Callable[[Load], Load]:
        """Add the command that a function loads when it is used; its docstring is the help."""

        def add(load: Load) -> Load:
            self.add_command(LoadedLater(name, load))
            return load

        return add

    @override
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, LoadedLater) else command, rest

    @override
    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BridgeError as error:
            faults = error.faults if isinstance(error, ConfigurationError) else (str(error),)
            for fault in faults:
                click.echo(printable(fault), err=True)
            _tell_client(ctx, faults)
            ctx.exit(1)
        except click.UsageError as error:
            _tell_client(ctx, (error.format_message(),))
            raise
        except (click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            _tell_client(ctx, (f"the bridge failed ({type(error).__name__}): see its log, stderr",))
            raise


def _tell_client(ctx: click.Context, faults: Sequence[str]) -> None:
    """Answer the client of `stdio`, whose people see nothing of stderr, with these faults."""
    if ctx.invoked_subcommand != stdio.name:
        return
    import asyncio

    from bridge.mcp.wires.pipes import LinesIn, LinesOut, claim_standard_streams
    from bridge.mcp.wires.stdio import LINE_BYTES, refuse

    source, sink = claim_standard_streams()
    if not os.isatty(source):
        asyncio.run(refuse(LinesIn(source, LINE_BYTES), LinesOut(sink), faults))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="n8n-bridge")
@click.pass_context
def commands(ctx: click.Context) -> None:
    """The bridge between n8n and Claude."""
    from bridge.configuration.settings import read_dotenv
    from bridge.rq_prefix import settle_prefix

    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.encoding != "utf-8":
        # What is printed may have letters that it lacks, which is no reason to end.
        sys.stdout.reconfigure(errors="backslashreplace")
    dotenv = read_dotenv(Path(".env"))
    settle_prefix(os.environ, dotenv)
    ctx.obj = dotenv | dict(os.environ)
    if ctx.obj.get("NO_COLOR"):  # https://no-color.org
        ctx.color = False
    configure_logging(ctx.obj.get("BRIDGE_LOG", "").strip())


@commands.command("up")
@reloading
@click.pass_obj
def up_command(environ: Mapping[str, str], *, is_reloading: bool) -> None:
    """Run everything on this machine, and show how to connect."""
    import asyncio

    from bridge.cli.up import up

    asyncio.run(up(environ, is_reloading=is_reloading))


@commands.command()
@click.option("--host", help="Instead of BRIDGE_HOST.")
@click.option("--port", type=click.IntRange(0, 65535), help="Instead of BRIDGE_PORT, and of PORT.")
@click.option("--fd", type=click.IntRange(min=3), hidden=True, help="A socket that listens.")
@reloading
@keeping_going
@click.pass_obj
def web(
    environ: Mapping[str, str],
    host: str | None,
    port: int | None,
    *,
    fd: int | None,
    is_reloading: bool,
    keeps_going: bool,
) -> None:
    """Run one web process: the doors for n8n and for Claude.

    Without --port and BRIDGE_PORT it listens where PORT says, which platforms set.
    """
    from bridge.local.hangups import Hangups

    hangups = Hangups()  # first of all: who sends one early means the files that are read then
    from bridge.cli.web import run_web

    changes = None
    if is_reloading:
        from bridge.configuration.changes import file_changes

        changes = file_changes(environ)
    asked = {"BRIDGE_HOST": host, "BRIDGE_PORT": port}
    environ = {
        **environ,
        "BRIDGE_PORT": environ.get("BRIDGE_PORT", "").strip() or environ.get("PORT", ""),
        **{name: str(value) for name, value in asked.items() if value is not None},
    }
    run_web(environ, hangups, changes, keeps_going=keeps_going, fd=fd)


@commands.command()
@click.argument("server")
@click.option("--channel", is_flag=True, help="Also wake Claude Code for events (a preview).")
@reloading
@click.pass_obj
def stdio(environ: Mapping[str, str], server: str, *, channel: bool, is_reloading: bool) -> None:
    """Serve one server on stdin and stdout, to a client that starts programs."""
    import asyncio

    from bridge.cli.stdio import serve_stdio
    from bridge.mcp.wires.pipes import claim_standard_streams

    changes = None
    if is_reloading:
        from bridge.configuration.changes import file_changes

        changes = file_changes(environ)
    streams = claim_standard_streams()
    log_beside()
    asyncio.run(serve_stdio(environ, server, streams, changes, is_channel=channel))


@commands.command("standin", hidden=True)
@click.option("--port", type=click.IntRange(1, 65535), required=True)
@click.pass_obj
def stand_in(environ: Mapping[str, str], port: int) -> None:
    """Play n8n on loopback, for `up` without one."""
    from bridge.local.ports import listen
    from bridge.net.serve import serve
    from bridge.standin.app import create_standin
    from bridge.standin.workflows import Flow

    def described(path: str) -> Flow | None:
        # Server files take half a second to load, which the demo has no use for.
        from bridge.standin.described import flow_at

        return flow_at(path, environ)

    app = create_standin(built_in=True, further=described)
    serve(app, listen("127.0.0.1", port), STAND_IN_DRAIN_S)


@commands.later("check")
def _check() -> click.Command:
    """Check server files, by default those of BRIDGE_SERVERS."""
    from bridge.cli.check import check_command

    return check_command


@commands.later("dev")
def _dev() -> click.Command:
    """Run everything on this machine, reload what changes, and show what happens."""
    from bridge.cli.dev import dev_command

    return dev_command


@commands.later("new")
def _new() -> click.Command:
    """Write the folder of a new server: server file, n8n workflows, tests and all."""
    from bridge.cli.new import new

    return new


@commands.later("discover")
def _discover() -> click.Command:
    """Make tools of published n8n workflows that have a Webhook node."""
    from bridge.cli.discover import discover_command

    return discover_command


@commands.later("doctor")
def _doctor() -> click.Command:
    """Look at Redis, n8n, port, tokens and Claude Code, and say how to mend what is wrong."""
    from bridge.cli.doctor import doctor_command

    return doctor_command


@commands.later("watch")
def _watch() -> click.Command:
    """Print a line of JSON for each event that waits, again until it was taken."""
    from bridge.cli.watch import watch_command

    return watch_command


@commands.later("events")
def _events() -> click.Command:
    """See events and redrive those that were set aside."""
    from bridge.cli.events import events

    return events


@commands.later("calls")
def _calls() -> click.Command:
    """See calls of workflows and cancel them."""
    from bridge.cli.calls import calls

    return calls


@commands.later("replies")
def _replies() -> click.Command:
    """See replies that n8n has not taken, and send dead ones again."""
    from bridge.cli.replies import replies

    return replies


@commands.later("subscriptions")
def _subscriptions() -> click.Command:
    """See which clients are told of events by webhook."""
    from bridge.cli.subscriptions import subscriptions

    return subscriptions


@commands.later("bulk")
def _bulk() -> click.Command:
    """See acts on many records, and stop them."""
    from bridge.cli.bulk import bulk

    return bulk


@commands.later("pause")
def _pause() -> click.Command:
    """Let nothing begin in a place; what comes waits. Without a place, list what is paused."""
    from bridge.cli.pausing import pause

    return pause


@commands.later("resume")
def _resume() -> click.Command:
    """Have a paused place go on: what waits is handed out and run, oldest first."""
    from bridge.cli.pausing import resume

    return resume


@commands.later("backup")
def _backup() -> click.Command:
    """Write all records into a file, also while the bridge runs."""
    from bridge.cli.backup import backup

    return backup


@commands.later("restore")
def _restore() -> click.Command:
    """Put the records of a backup into the same or another Redis."""
    from bridge.cli.backup import restore

    return restore


@commands.later("tokens")
def _tokens() -> click.Command:
    """Make, list and revoke tokens of Claude clients."""
    from bridge.cli.tokens import tokens

    return tokens


@commands.later("keys")
def _keys() -> click.Command:
    """List and rotate the keys by which workflows are told who asks."""
    from bridge.cli.keys import keys

    return keys


@commands.later("alerts")
def _alerts() -> click.Command:
    """See what fires, and try the receivers of alerts."""
    from bridge.cli.alerts import alerts

    return alerts

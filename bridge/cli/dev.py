"""`n8n-bridge dev`: `up` for whoever writes servers, with what happens in view."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from bridge.authoring.development.development import Development, code_worked_on
from bridge.authoring.development.fake_claude import FakeClaude
from bridge.authoring.development.lines import PlainLines
from bridge.authoring.development.live import LiveView
from bridge.authoring.development.recent import RecentActivity, follow
from bridge.authoring.development.resending import Resending
from bridge.authoring.development.served import ServedFiles
from bridge.authoring.development.terminal import can_draw
from bridge.authoring.development.tunnel import Tunnel, open_tunnel
from bridge.cli.operating import operating
from bridge.cli.up import (
    Manner,
    Plan,
    Work,
    changes_of_files,
    greet,
    keep_all,
    plan,
    until_stopped,
)
from bridge.cli.welcome import base_url
from bridge.configuration.load import is_reachable
from bridge.configuration.settings import Settings, data_dir_of
from bridge.local.data_folder import in_data_folder
from bridge.local.file_changes import changes_at, code_changes
from bridge.local.hangups import Hangups
from bridge.local.ports import free_port, listen
from bridge.log import log_into

FAKE_KEY = "any"
"""The stand-in takes any key to n8n's API; following executions needs one."""
SHOWN_S = 3600.0
"""How old what a live view begins with may be."""


@dataclass(frozen=True)
class Asked:
    """What `dev` was asked for."""

    fake_n8n: bool
    answers: Path | None
    tunnel: bool


@click.command("dev")
@click.option("--fake-n8n", is_flag=True, help="Have the stand-in play n8n, whatever is set.")
@click.option(
    "--fake-claude",
    "answers",
    metavar="ANSWERS.YAML",
    type=click.Path(path_type=Path),
    help="Have Claude played by the answers in a file.",
)
@click.option("--tunnel", is_flag=True, help="Open a public address with cloudflared.")
@click.pass_obj
def dev_command(
    environ: Mapping[str, str], *, fake_n8n: bool, answers: Path | None, tunnel: bool
) -> None:
    """Run everything on this machine, reload what changes, and show what happens."""
    asyncio.run(dev(environ, Asked(fake_n8n, answers, tunnel)))


async def dev(given: Mapping[str, str], asked: Asked) -> None:
    """Run it all; return when a signal came and everything has drained.

    Raises:
        ConfigurationError: it cannot start; nothing was left running.
    """
    hangups = Hangups()
    if asked.fake_n8n:
        given = {**given, "BRIDGE_N8N_URL": "", "BRIDGE_N8N_API_KEY": FAKE_KEY}
    if not asked.tunnel:
        await _run(given, asked, hangups)
        return
    given = {**given, "BRIDGE_PORT": str(_free_port_of(given))}
    if can_draw(given):
        click.echo("opening a tunnel with cloudflared")
    async with open_tunnel(f"http://127.0.0.1:{given['BRIDGE_PORT']}") as tunnel:
        await _run(tunnel.with_settings(given), asked, hangups, tunnel)


async def _run(
    given: Mapping[str, str], asked: Asked, hangups: Hangups, tunnel: Tunnel | None = None
) -> None:
    changes = changes_of_files(given)
    answer_changes = changes_at(asked.answers) if asked.answers else None
    log = data_dir_of(given) / "dev.log" if can_draw(given) else None
    if log:
        given = {"BRIDGE_LOG": "console", **given}
    planned = plan(given, Manner(keeps_going=True, log=log))
    with planned.listener:
        if log:
            _begin(log)
        session = DevSession(planned, asked, log)
        development = session.development
        beside: list[Work] = [
            session.show,
            partial(hangups.serve, development.reload),
            partial(development.reload_at, changes),
        ]
        if answer_changes:
            beside.append(partial(development.play_anew_at, answer_changes))
        if folders := code_worked_on():
            beside.append(partial(development.replace_at, code_changes(*folders)))
        if tunnel:
            beside.append(partial(tunnel.watch, session.say))
        await until_stopped(keep_all(planned, *beside))


class DevSession:
    """One run of `dev`: what is started, and where it is shown what happens.

    Without a `log`, which the processes write instead of to stderr, no terminal is taken.

    Raises:
        ConfigurationError: there are faults in the file of answers.
    """

    def __init__(self, planned: Plan, asked: Asked, log: Path | None) -> None:
        settings = planned.configuration.settings
        self.planned = planned
        self._asked = asked
        self._base = base_url(settings.host, settings.port)
        self._files = ServedFiles(planned.environ, planned.configuration)
        self._log = log
        self._console = f"{self._base}/console"
        live = partial(LiveView, self._head, self._faults, planned.environ, self._console)
        self._live = live() if log else None
        self._output = self._live or PlainLines(click.echo)
        stand_in = planned.environ["BRIDGE_N8N_URL"] if asked.fake_n8n else ""
        self.development = Development(self._files, planned.reloaded, self._output.say, stand_in)
        if asked.answers:
            self.development.read_answers(asked.answers)
        if log:
            click.echo(f"starting; the log is {log}")
            log_into(log, self._output.say)

    async def show(self) -> None:
        """Show what happens; never returns."""
        await greet(self.planned)
        if not is_reachable(self.planned.configuration.settings):
            click.echo(f"The console is open to whoever works on this machine: {self._console}\n")
        self.development.report()
        async with contextlib.AsyncExitStack() as stack:
            if self._asked.answers:
                claude = FakeClaude(self._base, self._output.say)
                stack.push_async_callback(claude.aclose)
                await self.development.have_played(claude, self._asked.answers)
            operation = await stack.enter_async_context(operating(self.planned.environ))
            recent = RecentActivity(operation.operators, SHOWN_S if self._live else 0)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(follow(recent, self._output))
                if self._live:
                    # It ends while all drains, which is to be seen.
                    stack.callback(click.echo, "draining; Ctrl-C ends all at once")
                    resending = Resending(self._base, self._files, operation.operators)
                    tasks.create_task(self._live.run(resending))

    def say(self, text: str) -> None:
        """Show a message."""
        self._output.say(text)

    def _faults(self) -> tuple[str, ...]:
        return self.development.faults

    def _head(self) -> tuple[str, ...]:
        played = "" if self.planned.stand_in_port is None else " (the stand-in)"
        claude = f"   Claude is played by {self._asked.answers}" if self._asked.answers else ""
        servers = ", ".join(self._files.servers)
        public_url = self.planned.configuration.settings.public_url
        return (
            f"n8n-bridge dev   {public_url or self._base}   {servers}   console {self._console}",
            f"n8n {self.planned.environ['BRIDGE_N8N_URL']}{played}{claude}   log {self._log}",
        )


def _free_port_of(given: Mapping[str, str]) -> int:
    """Return the port that the bridge will listen on; what listens there now must not be public.

    Raises:
        ConfigurationError: it is taken, or the setting names none.
    """
    names = ("BRIDGE_HOST", "BRIDGE_PORT")
    settings = Settings.from_environ({name: given.get(name, "") for name in names})
    port = settings.port or free_port()
    listen(settings.host, port).close()
    return port


def _begin(log: Path) -> None:
    """Begin a log in the data folder, in place of the last one."""
    with in_data_folder(log.parent):
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")

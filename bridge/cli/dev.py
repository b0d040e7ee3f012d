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
from bridge.authoring.development.lines import line_of
from bridge.authoring.development.recent import RecentActivity
from bridge.authoring.development.served import ServedFiles
from bridge.cli.operating import operating
from bridge.cli.up import (
    Manner,
    Plan,
    Work,
    changes_of_servers,
    greet,
    keep_all,
    plan,
    until_stopped,
)
from bridge.cli.welcome import base_url
from bridge.errors import BridgeError
from bridge.local.file_changes import changes_at, code_changes
from bridge.local.hangups import Hangups

LOOK_AGAIN_S = 0.5
FAKE_KEY = "any"
"""The stand-in takes any key to n8n's API; following executions needs one."""


@click.command("dev")
@click.option("--fake-n8n", is_flag=True, help="Have the stand-in play n8n, whatever is set.")
@click.option(
    "--fake-claude",
    "answers",
    metavar="ANSWERS.YAML",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Have Claude played by the answers in a file.",
)
@click.pass_obj
def dev_command(environ: Mapping[str, str], *, fake_n8n: bool, answers: Path | None) -> None:
    """Run everything on this machine, reload what changes, and show what happens."""
    if fake_n8n:
        environ = {**environ, "BRIDGE_N8N_URL": "", "BRIDGE_N8N_API_KEY": FAKE_KEY}
    asyncio.run(dev(environ, answers, is_fake_n8n=fake_n8n))


@dataclass(frozen=True)
class _Session:
    """One run of `dev`."""

    planned: Plan
    development: Development
    answers: Path | None
    base: str

    async def show(self) -> None:
        """Print what happens, a line a change; never returns."""
        await greet(self.planned)
        self.development.report()
        async with contextlib.AsyncExitStack() as stack:
            if self.answers:
                claude = FakeClaude(self.base, click.echo)
                stack.push_async_callback(claude.aclose)
                await self.development.have_played(claude, self.answers)
            operation = await stack.enter_async_context(operating(self.planned.environ))
            recent = RecentActivity(operation.operators)
            await recent.begin(0)
            said = ""
            while True:
                now = ""
                try:
                    for activity in await recent.look():
                        click.echo(line_of(activity))
                except BridgeError as error:
                    now = str(error)
                if now != said:
                    click.echo(now or "the store is back")
                    said = now
                await asyncio.sleep(LOOK_AGAIN_S)


async def dev(given: Mapping[str, str], answers: Path | None, *, is_fake_n8n: bool) -> None:
    """Run it all; return when a signal came and everything has drained.

    Raises:
        ConfigurationError: it cannot start; nothing was left running.
    """
    hangups = Hangups()
    changes = changes_of_servers(given)
    answer_changes = changes_at(answers) if answers else None
    planned = plan(given, Manner(keeps_going=True))
    settings = planned.configuration.settings
    files = ServedFiles(planned.environ, planned.configuration)
    stand_in = planned.environ["BRIDGE_N8N_URL"] if is_fake_n8n else ""
    development = Development(files, planned.reloaded, click.echo, stand_in)
    session = _Session(planned, development, answers, base_url(settings.host, settings.port))
    if answers:
        development.read_answers(answers)
    beside: list[Work] = [
        session.show,
        partial(hangups.serve, development.reload),
        partial(development.reload_at, changes),
    ]
    if answer_changes:
        beside.append(partial(development.play_anew_at, answer_changes))
    if folders := code_worked_on():
        beside.append(partial(development.replace_at, code_changes(*folders)))
    await until_stopped(keep_all(planned, *beside))

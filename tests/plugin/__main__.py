"""`make plugin`: the plugin of Claude Code, validated, installed and woken by the real Claude Code.

BRIDGE_TEST_CLIENTS names the folder that holds its command; tmux must be there too.
"""

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import click

from tests.bridge_processes import Bridge, running_bridge
from tests.hosts.__main__ import CLIENTS
from tests.plugin.inbox_model import InboxModel
from tests.plugin.session import PLUGIN, ClaudeHome, ClientError
from tests.plugin.trials import SERVER_FILE, Kills, Wakes, count_kills, count_wakes
from tests.serving import serving_any

MISSING = (
    f"the plugin was not tried: {CLIENTS} must name the folder that holds the command `claude` "
    "(after `npm install @anthropic-ai/claude-code`, node_modules/.bin), and tmux must be there"
)


@click.command()
@click.option("--wakes", default=100, show_default=True, help="How often a session is woken.")
@click.option("--kills", default=20, show_default=True, help="How often a session is killed.")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep what all programs said here.")
def main(wakes: int, kills: int, keep: Path | None) -> None:
    """Try the plugin; exit with 1 if anything went wrong, with 2 if it could not be tried."""
    claude = Path(os.environ.get(CLIENTS, "")) / "claude"
    if not os.environ.get(CLIENTS) or not claude.exists() or not shutil.which("tmux"):
        click.echo(MISSING, err=True)
        sys.exit(2)
    with contextlib.ExitStack() as stack:
        folder = keep or Path(stack.enter_context(_folder()))
        folder.mkdir(parents=True, exist_ok=True)
        try:
            is_good = asyncio.run(try_plugin(str(claude), folder.resolve(), wakes, kills))
        except ClientError as error:
            click.echo(f"FAULT {error}")
            is_good = False
    sys.exit(not is_good)


def _folder() -> tempfile.TemporaryDirectory[str]:
    """Make a folder that goes in the end; a killed session may still write into it then."""
    return tempfile.TemporaryDirectory(prefix="plugin-", ignore_cleanup_errors=True)


async def try_plugin(claude: str, folder: Path, wakes: int, kills: int) -> bool:
    """Validate and install the plugin, then wake and kill sessions; tell of each, True if well."""
    async with standing(claude, folder) as (bridge, home, model):
        click.echo(await home.run("--version"))
        for manifest in (PLUGIN, PLUGIN / ".claude-plugin" / "marketplace.json"):
            await home.run("plugin", "validate", "--strict", str(manifest))
        click.echo("ok    `claude plugin validate --strict` takes the plugin and its marketplace")
        click.echo("ok    installed from the marketplace file, with its settings")
        woken: Wakes = await count_wakes(bridge, home, model, wakes)
        click.echo(woken.line)
        killed: Kills = await count_kills(bridge, home, model, kills)
        click.echo(killed.line)
        for fault in model.faults:
            click.echo(f"      {fault}")
    return woken.is_good and killed.is_good


@contextlib.asynccontextmanager
async def standing(
    claude: str, folder: Path
) -> AsyncIterator[tuple[Bridge, ClaudeHome, InboxModel]]:
    """Run a bridge and a model, and have the plugin installed for a user of Claude Code."""
    servers = folder / "own-servers"
    servers.mkdir()
    (servers / "proof.yaml").write_text(SERVER_FILE)
    model = InboxModel()
    async with (
        running_bridge(folder, BRIDGE_SERVERS=str(servers)) as bridge,
        serving_any(model.app) as model_url,
    ):
        home = ClaudeHome(claude, folder / "home", model_url)
        home.settle()
        await home.install(f"{bridge.webs[0].url}/mcp/proof", bridge.environ["PROOF_TOKEN"])
        yield bridge, home, model


if __name__ == "__main__":
    main()

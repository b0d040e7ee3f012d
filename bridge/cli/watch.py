"""`n8n-bridge watch SERVER`: a line of JSON for each event that waits, from any machine."""

import asyncio
import contextlib
import math
import os
import re
import select
import signal
import stat
from collections.abc import Callable, Iterator, Mapping

import click

from bridge.cli.addresses import bridge_address
from bridge.client.watching import CannotWatchError, WatchedInbox, Watcher
from bridge.errors import ConfigurationError
from bridge.formats.addresses import web_address
from bridge.log import printable
from bridge.mcp.wires.pipes import LinesOut

STDOUT = 1


@click.command("watch")
@click.argument("server")
@click.option("--hook", metavar="HOOK", help="Only what waits on this hook.")
@click.option(
    "--url",
    metavar="ADDRESS",
    callback=bridge_address,
    help="Where the bridge is: BRIDGE_PUBLIC_URL, or this machine, when it is not said.",
)
@click.option(
    "--token-env", metavar="NAME", help="The variable, also of .env, that holds Claude's token."
)
@click.option(
    "--give-up-after",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True),
    default=math.inf,
    help="How long a bridge that has gone away is waited for: for ever, when it is not said.",
)
@click.pass_obj
def watch_command(
    environ: Mapping[str, str],
    server: str,
    hook: str | None,
    url: str | None,
    token_env: str | None,
    give_up_after: float,
) -> None:
    """Print a line of JSON for each event that waits, again until it was taken.

    Ends at Ctrl-C, SIGTERM or a closed stdout. A bridge that goes away is waited for.
    """
    token = environ.get(token_env, "").strip() if token_env else ""
    if token_env and not token:
        raise ConfigurationError((f"{token_env} is not set: it must hold a token of {server}",))
    if not re.fullmatch("[!-~]*", token):
        raise ConfigurationError((f"{token_env} holds no token: no header can carry it",))
    # Claude's address of the server, which is what people have at hand, will do as well.
    url = (url or _here(environ)).removesuffix(f"/mcp/{server}")
    asyncio.run(_print_lines(Watcher(WatchedInbox(url, server, hook, token), _say, give_up_after)))


def _here(environ: Mapping[str, str]) -> str:
    """Return where the settings say that the bridge is.

    Raises:
        ConfigurationError: they name no address.
    """
    port = environ.get("BRIDGE_PORT", "").strip() or "8080"
    public = environ.get("BRIDGE_PUBLIC_URL", "").strip()
    try:
        return web_address(public or f"http://127.0.0.1:{port}").geturl().rstrip("/")
    except ValueError as error:
        name = "BRIDGE_PUBLIC_URL" if public else "BRIDGE_PORT"
        raise ConfigurationError((f"{name} {error}",)) from error


async def _print_lines(watcher: Watcher) -> None:
    """Print what is watched until nobody reads it, or until told to stop."""
    watching = asyncio.current_task()
    assert watching is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, watching.cancel)
    out = LinesOut(STDOUT)
    with contextlib.suppress(asyncio.CancelledError, BrokenPipeError), _while_read(watching.cancel):
        try:
            async with contextlib.aclosing(watcher.lines()) as lines:
                async for line in lines:
                    await out.write(line.encode())
        except CannotWatchError:
            if not _is_unread():  # else there is nobody for whom it should be tried again
                raise


@contextlib.contextmanager
def _while_read(end: Callable[[], object]) -> Iterator[None]:
    """Have `end` called once nobody reads stdout any more, where the system tells of it at once."""
    loop = asyncio.get_running_loop()

    def look() -> None:
        if _is_unread():
            end()
        else:  # something is to be read here, on a socket, which is no matter
            loop.remove_reader(STDOUT)

    mode = os.fstat(STDOUT).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        yield
        return
    loop.add_reader(STDOUT, look)
    try:
        yield
    finally:
        loop.remove_reader(STDOUT)


def _is_unread() -> bool:
    """Report whether nobody reads stdout any more."""
    poll = select.poll()
    poll.register(STDOUT, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _say(sentence: str) -> None:
    click.echo(printable(sentence), err=True)

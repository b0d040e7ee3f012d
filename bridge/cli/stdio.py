"""`n8n-bridge stdio SERVER`: one server on stdin and stdout, for a client that starts programs."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from bridge.configuration.current import Servers
from bridge.configuration.demo import NAME, demo_tokens, with_demo
from bridge.configuration.load import Configuration, process_configuration
from bridge.configuration.servers import Server
from bridge.configuration.settings import data_dir_of
from bridge.errors import ConfigurationError
from bridge.local.hangups import Hangups
from bridge.local.valkey import address_in
from bridge.log import HeldLines
from bridge.mcp.endpoint import McpEndpoint
from bridge.mcp.wires.pipes import LinesIn, LinesOut
from bridge.mcp.wires.stdio import Stdio
from bridge.redis_faults import SILENT
from bridge.reload import Reloader, Step
from bridge.runtime import open_runtime
from bridge.span_export import begin_tracing

PATIENCE_S = 5.0
"""How long a request waits for a Redis that is away, before it is answered with an error."""

START_S = 5.0
"""How long the start waits for it; a client that waits for us longer than a little gives up."""

MEND = "start the bridge with `n8n-bridge up`, or mend BRIDGE_REDIS_URL"
ANY_N8N_URL = "http://127.0.0.1:5680"
"""What a server file's addresses begin with where `up` plays n8n; nothing is sent from here."""


@dataclass(frozen=True)
class ProcessSignals:
    """What a process is told while it serves: to stop, and to read its server's file anew."""

    stop: asyncio.Event
    hangups: Hangups | None = None
    changes: AsyncIterator[None] | None = None


async def serve_stdio(
    environ: Mapping[str, str],
    name: str,
    streams: tuple[int, int],
    changes: AsyncIterator[None] | None = None,
    *,
    is_channel: bool,
) -> None:
    """Serve the client at these two descriptors until it has left, or until SIGTERM or Ctrl-C.

    With `changes` files are read anew at each of these, and not at SIGHUP alone.

    Raises:
        ConfigurationError: there is no such server, or no bridge to join.
    """
    told = ProcessSignals(asyncio.Event(), Hangups(), changes)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.stop.set)
    begin_tracing(environ, "stdio")
    with HeldLines(ConfigurationError) as held:
        await serve_client(
            environ, name, streams, told, is_channel=is_channel, on_open=held.write_out
        )


async def serve_client(
    environ: Mapping[str, str],
    name: str,
    streams: tuple[int, int],
    told: ProcessSignals,
    *,
    is_channel: bool,
    on_open: Callable[[], None] = lambda: None,
) -> None:
    """Serve the client at these two descriptors until it has left, or until told to stop.

    `on_open` is called when the bridge was found.

    Raises:
        ConfigurationError: there is no such server, or no bridge to join.
    """
    environ = joined(environ, name)
    configuration = process_configuration(environ)
    settings, server = configuration.settings, named(configuration, name)
    servers = Servers(configuration.servers)
    away: list[str] = []
    source, sink = LinesIn(streams[0], settings.max_body_bytes), LinesOut(streams[1])
    async with contextlib.AsyncExitStack() as stack:
        opening = open_runtime(settings, servers, "stdio", PATIENCE_S, away.append)
        try:
            async with asyncio.timeout(START_S):
                runtime = await stack.enter_async_context(opening)
        except TimeoutError:
            why = away[-1] if away else SILENT.sentence
            raise ConfigurationError((f"{why}; {MEND}",)) from None
        on_open()
        wire = Stdio(runtime.mcp, McpEndpoint(server), source, sink, is_channel=is_channel)
        if told.hangups:
            reloader = Reloader(environ, settings, servers, told.hangups, told.changes)
            reloading = reloader.running(runtime, partial(prepared, wire, configuration))
            await stack.enter_async_context(reloading)
        await wire.serve(told.stop)


def prepared(wire: Stdio, was: Configuration, servers: Mapping[str, Server]) -> Step:
    """Make what is served of the one server; return the step from which on it is.

    Raises:
        ConfigurationError: it is gone, and the client has no other.
    """
    known = wire.endpoint
    server = named(replace(was, servers=dict(servers)), known.server.name)
    is_same = server is known.server
    return partial(wire.replace, known if is_same else McpEndpoint(server, known.listening))


def joined(environ: Mapping[str, str], name: str) -> Mapping[str, str]:
    """Fill in what `up` fills in, where it is the bridge of this user's `up` that is joined.

    Whoever asks for another server than the demo and has no server files is in the wrong folder.

    Raises:
        ConfigurationError: none has run in the data folder.
    """
    if environ.get("BRIDGE_REDIS_URL", "").strip():
        return environ
    data_dir = data_dir_of(environ)
    url = address_in(data_dir / "valkey")
    if url is None:
        fault = (
            "there is no bridge to join: start one with `n8n-bridge up` (it keeps its data in "
            f"{data_dir}; BRIDGE_DATA_DIR names another folder), or set BRIDGE_REDIS_URL"
        )
        raise ConfigurationError((fault,))
    n8n_url = environ.get("BRIDGE_N8N_URL") or ANY_N8N_URL
    filled_in = {"BRIDGE_REDIS_URL": url, "BRIDGE_N8N_URL": n8n_url}
    found = with_demo(environ) if name == NAME else environ
    return {**found, **demo_tokens(data_dir, environ), **filled_in}


def named(configuration: Configuration, name: str) -> Server:
    """Find a server by its name.

    Raises:
        ConfigurationError: there is none.
    """
    server = configuration.servers.get(name)
    if server is None:
        known = ", ".join(configuration.servers) or "none"
        folder = configuration.settings.servers_dir
        raise ConfigurationError((f"there is no server {name} in {folder}; there are: {known}",))
    return server

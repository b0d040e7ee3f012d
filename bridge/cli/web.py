"""What `n8n-bridge web` runs: one web process."""

import socket
from collections.abc import AsyncIterator, Mapping

from bridge.app import BridgeApp
from bridge.configuration.current import CurrentAlerts, Servers
from bridge.configuration.load import process_configuration
from bridge.local.hangups import Hangups
from bridge.local.ports import listen, make_room
from bridge.net.serve import serve
from bridge.reload import Reloader
from bridge.span_export import begin_tracing


def run_web(
    environ: Mapping[str, str],
    hangups: Hangups,
    changes: AsyncIterator[None] | None,
    *,
    keeps_going: bool,
    fd: int | None,
) -> None:
    """Serve until SIGTERM or Ctrl-C, at the socket `fd`, or where the settings say.

    Server files are read anew at `hangups` and `changes`.

    Raises:
        ConfigurationError: it cannot start.
    """
    configuration = process_configuration(environ, keeps_going=keeps_going)
    begin_tracing(environ, "web")
    settings, servers = configuration.settings, Servers(configuration.servers)
    make_room(settings.streams_max)
    listener = socket.socket(fileno=fd) if fd is not None else listen(settings.host, settings.port)
    alerts = CurrentAlerts(configuration.alerts)
    reloader = Reloader(environ, settings, servers, hangups, changes, keeps_going, alerts)
    # It goes on whatever is wrong in files for `dev` alone, whose console is open on this machine.
    app = BridgeApp(settings, servers, reloader, opens_console=keeps_going)
    serve(
        app,
        listener,
        settings.drain_s,
        app.drain,
        settings.max_body_bytes,
        is_listener_shared=fd is not None,
    )

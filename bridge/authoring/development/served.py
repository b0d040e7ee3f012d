"""Files as they are now, and what is served of them while some are not sound."""

import asyncio
from collections.abc import Mapping

from bridge.configuration.alert_files import AlertFile, read_alert_file
from bridge.configuration.load import Configuration
from bridge.configuration.server_files import ServerFiles, read_server_files
from bridge.configuration.servers import Server
from bridge.configuration.settings import servers_dir_of


class ServedFiles:
    """Knows what `dev` serves: of a file with a fault its server as it was last sound."""

    def __init__(self, environ: Mapping[str, str], read: Configuration) -> None:
        self._environ = environ
        self.servers: Mapping[str, Server] = read.servers
        self.faults = read.faults

    async def read(self) -> None:
        """Read the files anew."""
        files, alerts = await asyncio.to_thread(self._read)
        found = {
            name: self.servers[name] if self.servers.get(name) == server else server
            for name, server in files.servers.items()
        }
        self.servers = {**self.servers, **found} if files.faults else found
        self.faults = files.faults + alerts.faults

    def _read(self) -> tuple[ServerFiles, AlertFile]:
        files = read_server_files(servers_dir_of(self._environ), self._environ)
        return files, read_alert_file(self._environ, files)


def past_stand_in(servers: Mapping[str, Server], stand_in_url: str) -> tuple[str, ...]:
    """Name the workflows that are not sent to the stand-in which plays n8n."""
    return tuple(
        f"{server.name}/{workflow.name} is not played by the stand-in but sent to {workflow.url}: "
        "begin its url with ${BRIDGE_N8N_URL}"
        for server in servers.values()
        for workflow in server.workflows.values()
        if workflow.url and not workflow.url.startswith(f"{stand_in_url}/")
    )

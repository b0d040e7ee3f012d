"""Changes of the files that the processes of a bridge read."""

from collections.abc import AsyncIterator, Mapping

from bridge.configuration.alert_files import alert_file_of
from bridge.configuration.settings import servers_dir_of
from bridge.local.file_changes import changes_at


def file_changes(environ: Mapping[str, str]) -> AsyncIterator[None]:
    """Yield each time that server files, or the file of alerts, are others than at this call."""
    alerts = alert_file_of(environ)
    return changes_at(servers_dir_of(environ), *([alerts] if alerts else []))

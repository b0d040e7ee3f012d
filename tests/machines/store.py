"""A Valkey on a host of its own."""

from pathlib import Path

from bridge.local.valkey import EmbeddedValkey
from tests.machines.hosts import Host

PORT = 6379
PASSWORD = "the-password-of-the-store"


class HostedValkey(EmbeddedValkey):
    """Listens on the address of its host."""

    def __init__(self, folder: Path, host: Host) -> None:
        super().__init__(folder, tcp=True)
        self.url = f"redis://:{PASSWORD}@{host.address}:{PORT}/0"
        self._address = f"port {PORT}\nbind {host.address}\nrequirepass {PASSWORD}\n"
        program = folder.with_suffix(".sh")
        program.write_text(f'#!/bin/sh\nexec {" ".join(host.prefix)} {self._program} "$@"\n')
        program.chmod(0o700)
        self._program = str(program)

"""What `dev` says is wrong in files, as they change."""

from pathlib import Path

from bridge.authoring.development.served import ServedFiles
from bridge.configuration.load import read_configuration


async def test_a_fault_of_the_alerts_stays_until_it_is_mended(tmp_path: Path) -> None:
    alerts, servers = tmp_path / "alerts.yaml", tmp_path / "servers"
    servers.mkdir()
    (servers / "s.yaml").write_text("name: s\n")
    alerts.write_text("alerts: none\n")
    environ = {"BRIDGE_ALERTS": str(alerts), "BRIDGE_SERVERS": str(servers)}
    files = ServedFiles(environ, read_configuration(environ, keeps_going=True))
    assert files.faults
    await files.read()
    assert files.faults
    alerts.write_text("receivers: {}\n")
    await files.read()
    assert files.faults == ()

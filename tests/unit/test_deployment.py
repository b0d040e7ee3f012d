"""The files that start and stop the bridge leave it the time that it takes to drain."""

import re
from pathlib import Path

from bridge.configuration.settings import Settings

ROOT = Path(__file__).parent.parent.parent
LONGEST_STOP_S = Settings().drain_s + 5


def test_pm2_gives_a_process_the_time_to_drain() -> None:
    (kill_timeout_ms,) = re.findall(
        r"kill_timeout: (\d+)", (ROOT / "config" / "ecosystem.config.js").read_text()
    )
    assert int(kill_timeout_ms) > LONGEST_STOP_S * 1000


def test_docker_compose_gives_a_process_the_time_to_drain() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    (grace_s,) = re.findall(r"stop_grace_period: \${STOP_GRACE_PERIOD:-(\d+)s}", compose)
    assert int(grace_s) > LONGEST_STOP_S


def test_systemd_gives_a_process_the_time_to_drain() -> None:
    units = (ROOT / "docs" / "deploying.md").read_text()
    found = re.findall(r"TimeoutStopSec=(\d+)", units)
    assert len(found) == 2
    assert all(int(stop_s) > LONGEST_STOP_S for stop_s in found)


def test_the_procfile_gives_each_web_process_the_port_that_it_was_given() -> None:
    lines = (ROOT / "Procfile").read_text().splitlines()
    assert lines == ["web: n8n-bridge web --port $PORT", "worker: n8n-bridge worker"]

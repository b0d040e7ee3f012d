"""The files that start and stop the bridge leave it the time that it takes to drain."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bridge.configuration.settings import Settings
from tests.deploy.compose import FILE
from tests.docs.commands_shown import look_at
from tests.npm import node
from tests.processes import ROOT

LONGEST_STOP_S = Settings().drain_s + 5
UNITS = sorted((ROOT / "config" / "deploy" / "systemd").glob("*.service"))
CHECKOUT = "/opt/n8n-claude-bridge"


def test_pm2_runs_two_of_each_and_gives_them_the_time_to_drain() -> None:
    script = "console.log(JSON.stringify(require(process.argv[1])))"
    file = ROOT / "config" / "ecosystem.config.js"
    said = subprocess.run([node(), "-e", script, file], capture_output=True, check=True).stdout
    apps = json.loads(said)["apps"]
    assert [(app["name"], app["args"], app["instances"]) for app in apps] == [
        ("web", "web", 2),
        ("worker", "worker", 2),
    ]
    for app in apps:
        assert app["kill_timeout"] > LONGEST_STOP_S * 1000
        assert app["treekill"] is False, "handlers would be ended before their worker"


def test_docker_compose_gives_a_process_the_time_to_drain() -> None:
    (grace_s,) = re.findall(r"stop_grace_period: \${STOP_GRACE_PERIOD:-(\d+)s}", FILE.read_text())
    assert int(grace_s) > LONGEST_STOP_S


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_gives_a_process_the_time_to_drain_and_ends_its_children_after_it(
    unit: Path,
) -> None:
    text = unit.read_text()
    (stop_s,) = re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    assert int(stop_s) > LONGEST_STOP_S
    assert "\nKillMode=mixed\n" in text


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_runs_a_command_that_there_is(unit: Path) -> None:
    (started,) = re.findall(r"^ExecStart=(.+)$", unit.read_text(), re.MULTILINE)
    look_at(started.replace("%i", "8081").split())


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_every_line(unit: Path, tmp_path: Path) -> None:
    """It looks for the program too, so that this environment's stands in its place."""
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    here = unit.read_text().replace(CHECKOUT, str(tmp_path))
    (tmp_path / unit.name).write_text(here)
    command = ["systemd-analyze", "verify", str(tmp_path / unit.name)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")

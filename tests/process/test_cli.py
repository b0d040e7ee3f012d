"""The commands: 0 is success, 1 a fault found, 2 wrong use."""

import asyncio
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

import pytest

from bridge import __version__
from bridge.cli.main import LoadedLater, commands
from bridge.local.ports import free_port
from tests.commands import run
from tests.processes import ROOT, running
from tests.waiting import wait_until

DEMO = {
    "BRIDGE_DEMO_TOKEN": "claude",
    "BRIDGE_DEMO_HOOK_TOKEN": "n8n",
    "BRIDGE_N8N_URL": "http://127.0.0.1:5678",
}


async def test_the_version_is_the_packages() -> None:
    assert await run("--version", environ={}) == (0, f"n8n-bridge, version {__version__}\n")


async def test_workers_and_operators_commands_load_nothing_of_mcp() -> None:
    """Its SDK takes longer to load than all else that they need."""
    loading = "import sys, workers.main, bridge.__main__; sys.exit('mcp' in sys.modules)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", loading, cwd=ROOT)
    assert await process.wait() == 0


async def test_help_loads_nothing_that_a_command_runs_on() -> None:
    """All of it together takes six times as long to load as to print the commands."""
    heavy = "{'asyncio', 'mcp', 'pydantic', 'redis', 'rich', 'rq', 'starlette', 'yaml'}"
    asking = f"""
import sys, bridge.__main__
try: bridge.__main__.commands(["--help"], prog_name="n8n-bridge")
finally: print({heavy}.intersection(sys.modules), file=sys.stderr)
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", asking, cwd=ROOT, stdout=DEVNULL, stderr=PIPE
    )
    _, loaded = await process.communicate()
    assert loaded == b"set()\n"


async def test_help_tells_of_a_command_what_the_command_tells_of_itself() -> None:
    later = [each for each in commands.commands.values() if isinstance(each, LoadedLater)]
    assert later
    first = [(each.load().help or "").partition("\n")[0] for each in later]
    assert [each.help for each in later] == first


@pytest.mark.parametrize(
    "command",
    [
        ["nonsense"],
        ["web", "--port", "many"],
        ["check", "nowhere"],
        ["tokens", "add", "support", "ann", "--expires", "0"],
        ["stdio", "support", "--nonsense"],
    ],
)
async def test_wrong_use_is_status_2(command: list[str]) -> None:
    status, _ = await run(*command, environ={})
    assert status == 2


async def test_the_demo_that_ships_has_no_fault() -> None:
    status, _ = await run("check", environ={})
    assert status == 0


async def test_what_may_be_regretted_is_told_as_a_warning_and_no_fault(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("name: s\ntokens: [env:OF_S]\n")
    status, said = await run("check", str(tmp_path), environ={"OF_S": "short"})
    assert status == 0
    assert "s.yaml:2:10: tokens.0 is a secret of fewer than 16 characters" in said
    assert "(a warning)" in said
    assert said.endswith("no faults found\n")


async def test_a_fault_in_a_server_file_is_a_line_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("name: bad\nhoooks: {}\n")
    status, said = await run("check", str(tmp_path), environ={})
    assert status == 1
    assert f"{tmp_path}/bad.yaml:2:1: " in said
    assert "Traceback" not in said


@pytest.mark.parametrize("command", ["web", "worker"])
async def test_a_process_without_redis_names_that_and_every_other_fault(command: str) -> None:
    status, said = await run(command, environ={"BRIDGE_NONSENSE": "1"})
    assert status == 1
    assert "BRIDGE_REDIS_URL is not set" in said
    assert "BRIDGE_NONSENSE" in said
    assert "BRIDGE_DEMO_TOKEN" in said
    assert "Traceback" not in said


async def test_a_setting_may_stand_in_a_dotenv_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("BRIDGE_NONSENSE=1\n")
    status, said = await run("up", environ={}, folder=tmp_path)
    assert status == 1
    assert "BRIDGE_NONSENSE" in said


@pytest.mark.parametrize("command", ["web", "worker"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_process_that_is_told_to_stop_ends_with_status_0(
    command: str, number: signal.Signals, redis_url: str
) -> None:
    environ = {**DEMO, "BRIDGE_REDIS_URL": redis_url, "BRIDGE_PORT": str(free_port())}
    async with running(command, environ=environ) as started:
        await wait_until(lambda: ".started" in started.output, f"{command} says that it runs")
        started.process.send_signal(number)
        assert await started.ended() == 0, started.output

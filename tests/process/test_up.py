"""`up` starts everything, keeps it running, and leaves nothing behind."""

import itertools
import json
import os
import signal
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import httpx2
import pytest

from bridge.cli.up import plan, stand_in_port_of
from bridge.local.children import Child
from bridge.local.ports import free_port
from bridge.schemas.pool import CheckOptions, CheckProcesses
from tests import commands
from tests.processes import Running, children_of, is_gone, run, running
from tests.waiting import wait_until

START_S = 30.0


def settings_of(folder: Path) -> dict[str, str]:
    """Return what an `up` of its own needs."""
    return {
        "BRIDGE_DATA_DIR": str(folder / "data"),
        "BRIDGE_PORT": str(free_port()),
        "BRIDGE_DRAIN_S": "5",
    }


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return the settings of an `up` of the test's own."""
    return settings_of(tmp_path)


@pytest.fixture
async def up(environ: dict[str, str]) -> AsyncIterator[Running]:
    """Return an `up` that has printed its welcome, and that the test may end."""
    async with running("up", environ=environ) as started:
        await welcomed(started)
        yield started


@pytest.fixture(scope="module")
def kept_environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the settings of the `up` that is kept."""
    return settings_of(tmp_path_factory.mktemp("up"))


@pytest.fixture(scope="module")
async def kept_up(kept_environ: dict[str, str]) -> AsyncIterator[Running]:
    """Return an `up` that has printed its welcome, and that each test leaves whole."""
    async with running("up", environ=kept_environ) as started:
        await welcomed(started)
        yield started


async def test_a_hangup_has_the_children_read_server_files_anew(
    environ: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "servers" / "desk.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"name": "desk"}))
    environ |= {"BRIDGE_SERVERS": str(file.parent), "BRIDGE_N8N_URL": "http://127.0.0.1:9"}
    async with running("up", environ=environ) as up:
        await welcomed(up)
        children = children_of(up.process.pid)
        file.write_text(json.dumps({"name": "desk", "title": "Another"}))
        up.process.send_signal(signal.SIGHUP)

        def have_reloaded() -> bool:
            assert up.process.returncode is None, up.output
            return up.output.count("server_files.reloaded") == len(("web", "worker"))

        await wait_until(have_reloaded, "both have reloaded")
        assert children_of(up.process.pid) == children


async def welcomed(up: Running) -> None:
    def is_welcomed() -> bool:
        assert up.process.returncode is None, up.output
        return "\nn8n is " in up.output

    await wait_until(is_welcomed, "the welcome's last part", START_S)


async def readiness(environ: dict[str, str]) -> int:
    try:
        async with httpx2.AsyncClient() as client:
            address = f"http://127.0.0.1:{environ['BRIDGE_PORT']}/readyz"
            return (await client.get(address)).status_code
    except httpx2.TransportError:
        return 0


async def test_the_welcome_says_how_to_connect_once_all_is_ready(
    kept_up: Running, kept_environ: dict[str, str]
) -> None:
    assert await readiness(kept_environ) == 200
    base = f"http://127.0.0.1:{kept_environ['BRIDGE_PORT']}"
    tokens = json.loads((Path(kept_environ["BRIDGE_DATA_DIR"]) / "demo-tokens.json").read_text())
    claude = f"Authorization: Bearer {tokens['BRIDGE_DEMO_TOKEN']}"
    n8n = f"Authorization: Bearer {tokens['BRIDGE_DEMO_HOOK_TOKEN']}"
    assert (
        f"claude mcp add --scope user --transport http bridge {base}/mcp/demo "
        f'--header "{claude}"' in kept_up.output
    )
    assert f"{base}/sse/demo" in kept_up.output
    assert f"{base}/hooks/demo/question" in kept_up.output
    assert n8n in kept_up.output
    assert "={{ $execution.resumeUrl.replace('?', '/reply?') }}" in kept_up.output
    assert "Webhook Suffix: reply" in kept_up.output
    assert (
        "/webhook/ask-claude -H 'content-type: application/json' -d '{\"port\":" in kept_up.output
    )
    assert "n8n is played by a built-in stand-in" in kept_up.output


async def test_everything_runs_as_a_child(kept_up: Running) -> None:
    assert set(children_of(kept_up.process.pid)) == {"valkey", "standin", "web", "worker"}


@pytest.mark.parametrize("name", ["valkey", "standin", "web", "worker"])
async def test_a_child_that_is_killed_is_started_again(
    name: str, kept_up: Running, kept_environ: dict[str, str]
) -> None:
    first = children_of(kept_up.process.pid)
    os.kill(first[name], signal.SIGKILL)
    await wait_until(
        lambda: children_of(kept_up.process.pid).get(name) not in {None, first[name]},
        f"another {name}",
        START_S,
    )
    await wait_until(lambda: is_ready(kept_environ), "readiness", START_S)
    others = {child: pid for child, pid in first.items() if child != name}
    assert others.items() <= children_of(kept_up.process.pid).items()


async def is_ready(environ: dict[str, str]) -> bool:
    return await readiness(environ) == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_and_ends_everything(number: signal.Signals, up: Running) -> None:
    children = children_of(up.process.pid)
    up.process.send_signal(number)
    assert await up.ended() == 0
    assert all(is_gone(pid) for pid in children.values())


async def test_a_sigterm_that_comes_twice_still_drains(up: Running) -> None:
    up.process.terminate()
    await wait_until(lambda: "up.draining" in up.output, "the drain's begin")
    up.process.terminate()
    assert await up.ended() == 0


async def test_a_supervisor_that_is_killed_takes_its_children_along(up: Running) -> None:
    children = children_of(up.process.pid)
    up.process.kill()
    await wait_until(lambda: all(is_gone(pid) for pid in children.values()), "the children's end")


def test_made_up_tokens_stay_and_are_for_their_owner_only(environ: dict[str, str]) -> None:
    folder = Path(environ["BRIDGE_DATA_DIR"])
    first, second = (plan(environ).environ for _ in range(2))
    kept = json.loads((folder / "demo-tokens.json").read_text())
    assert kept.items() <= first.items()
    assert first == {**second, "BRIDGE_N8N_URL": first["BRIDGE_N8N_URL"]}
    assert stat.S_IMODE((folder / "demo-tokens.json").stat().st_mode) == 0o600


def test_the_stand_in_has_a_port_that_no_other_data_folder_s_wants(
    environ: dict[str, str],
) -> None:
    wanted = [stand_in_port_of(Path("/srv") / name) for name in ("desk", "shop", "desk")]
    assert wanted[0] == wanted[2] != wanted[1]
    folders = (Path(environ["BRIDGE_DATA_DIR"]) / f"{number}" for number in itertools.count())
    wanted_port = {each: stand_in_port_of(each) for each in itertools.islice(folders, 20)}
    free = next(each for each, port in wanted_port.items() if free_port(port) == port)
    ports = {plan(environ | {"BRIDGE_DATA_DIR": str(free)}).stand_in_port for _ in range(2)}
    assert ports == {wanted_port[free]}


async def test_no_file_of_the_folder_it_is_started_in_stands_in_for_a_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("click", "json", "jsonschema_rs"):
        (tmp_path / f"{module}.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    child = Child(("--help",), os.environ, drain_s=1)
    await child.start()
    assert await child.wait() == 0
    async with aclosing(CheckProcesses(patience_s=None)) as processes:
        verdict = await processes.examine(b"{}", b"1", 1, CheckOptions())
    assert verdict.is_valid


async def test_a_child_that_is_to_reload_before_it_hears_of_that_lives_on() -> None:
    child = Child(("--help",), os.environ, drain_s=1)
    await child.start()

    def is_itself() -> bool:
        pid = children_of(os.getpid()).get("--help")
        return pid is not None and b"die" not in Path(f"/proc/{pid}/cmdline").read_bytes()

    await wait_until(is_itself, "it is itself")
    child.reload()
    assert await child.wait() == 0


async def test_a_redis_and_an_n8n_that_are_named_are_not_started(
    redis_url: str, environ: dict[str, str]
) -> None:
    named = {"BRIDGE_REDIS_URL": redis_url, "BRIDGE_N8N_URL": "http://127.0.0.1:5678"}
    async with running("up", environ={**environ, **named}) as up:
        await welcomed(up)
        assert set(children_of(up.process.pid)) == {"web", "worker"}
        assert "n8n is http://127.0.0.1:5678" in up.output


async def test_a_taken_port_is_named_in_one_line(environ: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", int(environ["BRIDGE_PORT"]))):
        status, said = await commands.run("up", environ=environ)
    assert status == 1
    assert said.startswith(f"cannot listen on 127.0.0.1 port {environ['BRIDGE_PORT']}: ")
    assert said.count("\n") == 1


async def test_wrong_settings_are_all_named_and_nothing_starts(environ: dict[str, str]) -> None:
    wrong = {"BRIDGE_NONSENSE": "1", "BRIDGE_KEEPALIVE_S": "soon"}
    status, said = await commands.run("up", environ={**environ, **wrong})
    assert status == 1
    assert "BRIDGE_NONSENSE" in said
    assert "BRIDGE_KEEPALIVE_S" in said
    assert "Traceback" not in said
    assert not (Path(environ["BRIDGE_DATA_DIR"]) / "valkey").exists()


async def test_data_that_another_up_uses_is_refused(
    kept_up: Running, kept_environ: dict[str, str]
) -> None:
    status, said = await run("up", environ={**kept_environ, "BRIDGE_PORT": str(free_port())})
    assert status == 1
    assert "is in use by another Valkey" in said
    assert "Traceback" not in said

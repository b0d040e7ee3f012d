"""The wheel of this tree, installed without the tree: it starts where no files of one's own are."""

import shutil
import zipfile
from pathlib import Path

import pytest

from bridge.local.ports import free_port
from tests.processes import ROOT, run, running
from tests.wheels import ask, build, empty_environment, install_alone, try_demo, welcomed

OWN = """
name: mine
hooks: {question: {auth: {bearer: env:BRIDGE_DEMO_HOOK_TOKEN}}}
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel."""
    folder = tmp_path_factory.mktemp("dist")
    build(folder, "wheel")
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the command of an environment that has the wheel and not the tree."""
    programs = empty_environment(tmp_path_factory.mktemp("wheel") / "env")
    install_alone(programs, wheel)
    return str(programs / "n8n-bridge")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return the settings of an `up` of the test's own."""
    return {
        "BRIDGE_DATA_DIR": str(tmp_path / "data"),
        "BRIDGE_PORT": str(free_port()),
        "BRIDGE_DRAIN_S": "5",
        "BRIDGE_DEMO_TOKEN": "claude-of-the-wheel",
        "BRIDGE_DEMO_HOOK_TOKEN": "n8n-of-the-wheel",
    }


def test_a_wheel_holds_the_demo_the_types_and_nothing_beside_the_packages(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {"bridge/py.typed", "workers/py.typed", "bridge/config/servers/demo.yaml"} <= {*names}
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {
        *("bridge", "workers", "n8n_claude_bridge")
    }


def test_a_wheel_holds_the_templates_of_new_and_the_plugin_of_pytest(wheel: Path) -> None:
    names = {*zipfile.ZipFile(wheel).namelist()}
    templates = ROOT / "bridge" / "authoring" / "scaffold" / "templates"
    wanted = {path.relative_to(ROOT).as_posix() for path in templates.rglob("*") if path.is_file()}
    assert len(wanted) > 20
    assert wanted <= names
    (entry_points,) = (name for name in names if name.endswith("/entry_points.txt"))
    text = zipfile.ZipFile(wheel).read(entry_points).decode()
    assert "[pytest11]\nn8n_bridge = bridge.testing\n" in text


async def test_new_works_from_a_wheel(program: str, tmp_path: Path) -> None:
    status, said = await run("new", "desk", environ={}, folder=tmp_path, program=(program,))
    assert status == 0, said
    checked = await run("check", environ={}, folder=tmp_path / "desk", program=(program,))
    assert (checked[0], "no faults found\n" in checked[1]) == (0, True)


async def test_up_serves_the_demo_until_there_are_server_files_and_not_again_once_they_are_gone(
    program: str, environ: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "empty"
    files = folder / "config" / "servers"
    folder.mkdir()
    said = await try_demo(program, folder, environ)
    copying = f"mkdir -p {files} && cp "
    assert copying in said
    (demo, into) = said.partition(copying)[2].split()[:2]
    assert (Path(demo).name, into) == ("demo.yaml", str(files))

    files.mkdir(parents=True)
    (files / "mine.yaml").write_text(OWN)
    async with running("up", environ=environ, folder=folder, program=(program,)) as up:
        await welcomed(up)
        assert "/mcp/mine" in up.output
        assert "/mcp/demo" not in up.output
        assert copying not in up.output
        await ask(environ, "mine")

    shutil.rmtree(files)
    status, said = await run("up", environ=environ, folder=folder, program=(program,))
    assert status == 1
    assert f"no server files in {files}, but this store has served mine" in said

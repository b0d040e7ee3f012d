"""`new` writes a whole folder or nothing, and what it writes passes `check`."""

import asyncio
import json
import re
import stat
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.authoring.checking.check import check
from bridge.authoring.scaffold.project import KINDS, Kind, Project, demand_name
from bridge.authoring.scaffold.rendering import files_of
from bridge.authoring.scaffold.writing import write_folder
from bridge.configuration.server_files import read_server_files
from bridge.configuration.settings import Settings, read_dotenv
from bridge.errors import ConfigurationError
from tests.commands import run

PROGRAM = Path("/opt/bridge/bin/n8n-bridge")
CURL = "curl -X POST https://n8n.example.com/webhook/crm -H 'X-Key: s3cret' -d '{\"id\": 1}'"


@pytest.fixture(params=[*KINDS, "from curl"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Write a project of each kind with the command."""
    how = ("--from-curl", CURL) if request.param == "from curl" else ("--kind", request.param)
    status, said = asyncio.run(run("new", "help-desk", *how, environ={}, folder=tmp_path))
    assert status == 0, said
    return tmp_path / "help-desk"


def everything(folder: Path) -> dict[str, str]:
    """Return the text of every file by its path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


async def demand_sound(folder: Path) -> None:
    """Check that the command finds nothing wrong with a project, and nothing to warn of."""
    status, said = await run("check", environ={}, folder=folder)
    assert (status, said.endswith("no faults found\n"), "(a warning)" in said) == (0, True, False)


async def test_what_it_writes_passes_check_at_once(folder: Path) -> None:
    await demand_sound(folder)


def test_check_has_nothing_to_say_of_it_not_even_a_warning(folder: Path) -> None:
    environ = read_dotenv(folder / ".env")
    assert check(folder / "config" / "servers", environ) == ()


def test_it_holds_all_that_a_server_needs(folder: Path) -> None:
    assert everything(folder).keys() >= {
        ".env",
        ".env.example",
        ".gitignore",
        ".mcp.json",
        "README.md",
        "compose.yaml",
        "config/servers/help-desk.yaml",
        "ecosystem.config.js",
        "systemd/bridge-help-desk.service",
        "tests/test_help_desk.py",
    }


def test_its_readme_has_ten_lines_at_most(folder: Path) -> None:
    assert len([line for line in (folder / "README.md").read_text().splitlines() if line]) <= 10


def test_its_secrets_are_random_for_the_owner_alone_and_in_no_other_file(folder: Path) -> None:
    secrets = {value for value in read_dotenv(folder / ".env").values() if len(value) > 40}
    others = {name: text for name, text in everything(folder).items() if name != ".env"}
    assert secrets
    assert [name for name, text in others.items() if any(each in text for each in secrets)] == []
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
    assert ".env" in others[".gitignore"].splitlines()


def test_the_sample_names_every_variable_that_the_server_file_asks_for(folder: Path) -> None:
    asked = read_server_files(folder / "config" / "servers", {"BRIDGE_N8N_URL": "http://n"})
    sample = (folder / ".env.example").read_text()
    assert [name for name in asked.variables if f"{name}=" not in sample] == []
    sampled = Settings.from_environ(read_dotenv(folder / ".env.example"), asked.variables)
    assert sampled.data_dir == Path("data")


def test_claude_code_finds_the_server_by_its_variable(folder: Path) -> None:
    (name, server), *others = json.loads((folder / ".mcp.json").read_text())["mcpServers"].items()
    assert (name, others) == ("help-desk", [])
    assert server == {
        "type": "http",
        "url": "http://127.0.0.1:${BRIDGE_PORT:-8080}/mcp/help-desk",
        "headers": {"Authorization": "Bearer ${HELP_DESK_CLAUDE_TOKEN}"},
    }


def test_whoever_starts_it_gives_it_the_time_to_drain(folder: Path) -> None:
    texts = everything(folder)
    (compose,) = yaml.safe_load(texts["compose.yaml"])["services"].values()
    (kill_timeout_ms,) = re.findall(r"kill_timeout: (\d+)", texts["ecosystem.config.js"])
    (stop_s,) = re.findall(r"TimeoutStopSec=(\d+)", texts["systemd/bridge-help-desk.service"])
    given_s = {compose["stop_grace_period"], f"{int(kill_timeout_ms) // 1000}s", f"{stop_s}s"}
    assert given_s == {f"{Settings().drain_s + 10:g}s"}


def workflows(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the n8n workflows of a project by their file's name."""
    files = sorted(folder.glob("config/n8n/*.json"))
    return {file.name: json.loads(file.read_text()) for file in files}


@pytest.mark.parametrize("kind", KINDS)
def test_its_n8n_workflows_belong_to_its_hooks_and_tools(kind: Kind, tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    write_folder(folder, files_of(Project("desk", kind), folder, PROGRAM))
    environ = {**read_dotenv(folder / ".env"), "BRIDGE_N8N_URL": "http://n8n"}
    server = read_server_files(folder / "config" / "servers", environ).servers["desk"]
    nodes = [node for each in workflows(folder).values() for node in each["nodes"]]
    sent_to = {node["parameters"].get("url") for node in nodes}
    paths = {node["parameters"].get("path") for node in nodes}
    assert {f"http://127.0.0.1:8080/hooks/desk/{hook}" for hook in server.hooks} <= sent_to
    assert {each.url.partition("/webhook/")[2] for each in server.webhooks} <= paths


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "python"])
def test_its_n8n_workflows_have_what_n8n_needs_to_import_them(kind: Kind, tmp_path: Path) -> None:
    write_folder(tmp_path / "desk", files_of(Project("desk", kind), tmp_path / "desk", PROGRAM))
    found = workflows(tmp_path / "desk")
    ids = Counter(node["id"] for each in found.values() for node in each["nodes"])
    ids.update(each["id"] for each in found.values())
    assert set(ids.values()) == {1}
    for workflow in found.values():
        names = [node["name"] for node in workflow["nodes"]]
        assert len(workflow["id"]) == 16
        assert len(set(names)) == len(names)
        assert {"How to use", "Webhook"} <= set(names)
        assert workflow["active"] is False
        linked = [
            end["node"]
            for outputs in workflow["connections"].values()
            for ends in outputs["main"]
            for end in ends
        ]
        assert {*linked, *workflow["connections"]} == {*names} - {"How to use"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Help Desk", "'Help Desk' is no name of a server, which must be named in small letters"),
        ("-desk", "is no name of a server"),
        ("de/sk", "is no name of a server"),
        ("", "is no name of a server"),
        ("x" * 64, "is no name of a server"),
        (
            "x" * 44,
            "longer than the 64 characters that Claude's API takes: choose one of at most 43",
        ),
        ("demo", "demo is the name of the demo that ships with the bridge: choose another"),
        ("list-events", "a tool of a name that every server has: choose another"),
        ("unsound", "unsound is the name of a server in servers already: choose another"),
        ("taken", "taken is the name of a server in servers already: choose another"),
    ],
)
async def test_a_name_that_will_not_do_is_one_sentence_and_nothing_is_written(
    name: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "servers").mkdir()
    (tmp_path / "servers" / "taken.yaml").write_text("name: taken")
    (tmp_path / "servers" / "a.json").write_text('{"name": "unsound", "tokens": ["env:UNSET"]}')
    before = everything(tmp_path)
    environ = {"BRIDGE_SERVERS": "servers"}
    status, output = await run("new", "--", name, environ=environ, folder=tmp_path)
    assert (status, output.count("\n")) == (1, 1)
    assert said in output
    assert everything(tmp_path) == before


async def test_a_folder_that_is_there_is_named_with_what_it_holds_and_left_as_it_is(
    tmp_path: Path,
) -> None:
    (tmp_path / "desk").mkdir()
    (tmp_path / "desk" / "mine.txt").write_text("mine")
    status, said = await run("new", "desk", environ={}, folder=tmp_path)
    assert (status, said) == (
        1,
        f"{tmp_path / 'desk'} is there already (it holds mine.txt): "
        "name another place with --into\n",
    )
    assert everything(tmp_path) == {"desk/mine.txt": "mine"}


def standing(place: Path) -> tuple[int, ...]:
    """Return what changes with whatever is done to a file but to read it."""
    found = place.lstat()
    return found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns


@pytest.mark.parametrize("kind", ["empty folder", "file", "dangling link"])
async def test_whatever_is_in_the_place_is_left_as_it_is(kind: str, tmp_path: Path) -> None:
    place = tmp_path / "desk"
    if kind == "empty folder":
        place.mkdir()
    elif kind == "file":
        place.touch()
    else:
        place.symlink_to(tmp_path / "nowhere")
    before = standing(place)
    status, said = await run("new", "desk", environ={}, folder=tmp_path)
    assert (status, said.count("\n")) == (1, 1)
    assert "is there already" in said
    assert standing(place) == before


async def test_it_goes_where_into_says(tmp_path: Path) -> None:
    place = tmp_path / "etc 50%" / "mcp" / "servers"
    status, said = await run("new", "desk", "--into", str(place), environ={}, folder=tmp_path)
    assert (status, said.splitlines()[1]) == (0, "  cd 'etc 50%/mcp/servers'")
    unit = (place / "systemd" / "bridge-desk.service").read_text()
    assert f"WorkingDirectory={tmp_path}/etc 50%%/mcp/servers\n" in unit
    await demand_sound(place)


async def test_a_place_is_written_as_it_is_reached_without_detours(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    into = ("--into", "../there")
    assert (await run("new", "desk", *into, environ={}, folder=tmp_path / "here"))[0] == 0
    unit = (tmp_path / "there" / "systemd" / "bridge-desk.service").read_text()
    assert f"WorkingDirectory={tmp_path}/there\n" in unit


async def test_a_place_that_no_unit_could_name_is_refused(tmp_path: Path) -> None:
    into = ("--into", "a\nExecStartPre=evil")
    status, said = await run("new", "desk", *into, environ={}, folder=tmp_path)
    assert (status, said.count("\n")) == (1, 1)
    assert "holds control characters" in said
    assert list(tmp_path.iterdir()) == []


async def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    status, said = await run("new", "desk", "--into", "file/desk", environ={}, folder=tmp_path)
    assert (status, said) == (1, f"{tmp_path}/file/desk cannot be written: Not a directory\n")


def test_nothing_is_left_when_writing_fails_half_way(tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    files = files_of(Project("desk", "tool"), folder, PROGRAM)
    (broken,) = [path for path in files if path.name == "README.md"]
    files[broken] = "\ud800"  # which no file can hold
    with pytest.raises(UnicodeEncodeError):
        write_folder(folder, files)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_that_came_meanwhile(tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    files = files_of(Project("desk", "tool"), folder, PROGRAM)
    folder.mkdir()
    with pytest.raises(ConfigurationError, match="is there already"):
        write_folder(folder, files)
    assert list(tmp_path.rglob("*")) == [folder]


@pytest.mark.parametrize("name", ["on", "null", "123", "1e3", "0x10", "yes", "8ball", "bridge-x"])
def test_a_name_that_yaml_or_a_shell_would_read_as_something_else_stays_a_name(
    name: str, tmp_path: Path
) -> None:
    for kind in KINDS:
        folder = tmp_path / f"{name}-{kind}"
        write_folder(folder, files_of(Project(name, kind), folder, PROGRAM))
        assert check(folder / "config" / "servers", read_dotenv(folder / ".env")) == ()
        assert [*json.loads((folder / ".mcp.json").read_text())["mcpServers"]] == [name]
        assert yaml.safe_load((folder / "compose.yaml").read_text())["services"].keys() == {
            f"bridge-{name}"
        }


@pytest.mark.parametrize("name", ["a-server-of-a-rather-long-name", "x" * 43])
def test_a_tool_of_a_long_name_is_one_that_claude_can_call(name: str, tmp_path: Path) -> None:
    demand_name(name, {"BRIDGE_SERVERS": str(tmp_path)})
    write_folder(tmp_path / name, files_of(Project(name, "tool"), tmp_path / name, PROGRAM))
    environ = read_dotenv(tmp_path / name / ".env")
    assert check(tmp_path / name / "config" / "servers", environ) == ()
    environ["BRIDGE_N8N_URL"] = "http://n8n"
    server = read_server_files(tmp_path / name / "config" / "servers", environ).servers[name]
    assert [*server.workflows] == ["run"]


async def test_without_a_terminal_and_a_name_it_says_what_is_missing(tmp_path: Path) -> None:
    status, said = await run("new", environ={}, folder=tmp_path)
    assert status == 2
    assert "Missing argument 'NAME'" in said

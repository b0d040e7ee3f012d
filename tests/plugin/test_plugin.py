"""The plugin of Claude Code, as far as it goes without Claude Code; `make plugin` has the rest."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from bridge.configuration.servers import Hook, Server
from bridge.mcp.endpoint import tools_of
from tests.hosts.__main__ import CLIENTS
from tests.hosts.scripted_model import Block
from tests.plugin.__main__ import MISSING, main
from tests.plugin.inbox_model import TOOLS, read
from tests.plugin.session import PLUGIN

ADDRESS = "https://bridge.example.com/base/mcp/support"
TOKEN = 'a token\'s "$value"'
WATCHED = (
    "watch support --url https://bridge.example.com/base --token-env N8N_BRIDGE_TOKEN "
    "--give-up-after 600"
)
PAGES = sorted(PLUGIN.glob("**/*.md"))
WITHIN_S = 60.0


@pytest.mark.parametrize("folder", [None, "nowhere"])
def test_without_the_client_it_says_what_is_missing(folder: str | None) -> None:
    found = CliRunner().invoke(main, env={CLIENTS: folder})
    assert (found.exit_code, found.stderr) == (2, f"{MISSING}\n")


def test_the_tools_that_its_pages_name_are_those_of_an_inbox() -> None:
    named = {name for page in PAGES for name in re.findall(rf"{TOOLS}(\w+)", page.read_text())}
    hook = Hook.model_validate({"auth": {"bearer": "any"}})
    assert named
    assert named <= set(tools_of(Server(name="any", hooks={"any": hook})))


def test_no_monitor_names_a_setting() -> None:
    """Claude Code starts none that does: a shell would read the value."""
    monitors = json.loads((PLUGIN / "monitors" / "monitors.json").read_text())
    assert [each for each in monitors if "user_config" in each["command"]] == []


async def hand_over(kept: Path, **options: str) -> None:
    """Run the hook of a session's start, with these settings of the plugin."""
    environ = {f"CLAUDE_PLUGIN_OPTION_{name.upper()}": value for name, value in options.items()}
    script = PLUGIN / "scripts" / "hand-over.sh"
    process = await asyncio.create_subprocess_exec(
        "sh", str(script), env={**os.environ, "CLAUDE_PLUGIN_DATA": str(kept), **environ}
    )
    assert await process.wait() == 0


@contextlib.asynccontextmanager
async def monitor(kept: Path, **environ: str) -> AsyncIterator[asyncio.StreamReader]:
    """Run the monitor; returns what it tells Claude."""
    process = await asyncio.create_subprocess_exec(
        *("sh", str(PLUGIN / "scripts" / "watch.sh"), str(kept)),
        env={"PATH": str(few_programs(kept.parent)), **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdout
    try:
        async with asyncio.timeout(WITHIN_S):
            yield process.stdout
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        await process.wait()


def few_programs(folder: Path) -> Path:
    """Return a folder with the programs that the monitor needs, and no other."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    for name in ("date", "ps", "sh", "sleep", "tail"):
        found = shutil.which(name)
        assert found
        with contextlib.suppress(FileExistsError):
            (programs / name).symlink_to(found)
    return programs


def program(folder: Path, *lines: str) -> str:
    """Write a program of shell that stands for `n8n-bridge`; returns its path."""
    path = folder / "stand-in"
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o755)
    return str(path)


async def test_the_settings_are_kept_for_this_user_alone_and_only_while_they_are_set(
    tmp_path: Path,
) -> None:
    kept = tmp_path / "data"
    await hand_over(kept, address=ADDRESS, token=TOKEN, hook="question")
    (file,) = kept.iterdir()
    assert file.read_text().splitlines() == [ADDRESS, TOKEN, "question"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    await hand_over(kept, address=ADDRESS, token="")
    assert list(kept.iterdir()) == []


@pytest.mark.parametrize("hook", ["", "question"])
async def test_the_monitor_watches_what_is_set_and_passes_its_lines_on(
    tmp_path: Path, hook: str
) -> None:
    kept = tmp_path / "data"
    command = program(tmp_path, 'echo "$@"', 'echo "$N8N_BRIDGE_TOKEN"', "pwd", "echo beside >&2")
    await hand_over(kept, address=ADDRESS, token=TOKEN, hook=hook)
    async with monitor(kept, N8N_BRIDGE=command) as told:
        said = (await told.read()).decode().splitlines()
    watched = f"{WATCHED} --hook {hook}" if hook else WATCHED
    assert said == [watched, TOKEN, str(kept)]


@pytest.mark.parametrize("address", [f"{ADDRESS}/", ADDRESS.replace("/mcp/", "/mcp-2025/")])
async def test_other_addresses_of_the_server_do_as_well(tmp_path: Path, address: str) -> None:
    kept = tmp_path / "data"
    await hand_over(kept, address=address, token=TOKEN)
    async with monitor(kept, N8N_BRIDGE=program(tmp_path, 'echo "$@"')) as told:
        assert (await told.read()).decode().splitlines() == [WATCHED]


async def test_a_monitor_that_is_started_first_waits_for_its_settings(tmp_path: Path) -> None:
    command = program(tmp_path, "echo it watches")
    async with monitor(tmp_path / "data", N8N_BRIDGE=command) as told:
        await hand_over(tmp_path / "data", address=ADDRESS, token=TOKEN)
        assert await told.read() == b"it watches\n"


async def test_what_is_wrong_is_told_once_by_its_last_line(tmp_path: Path) -> None:
    tries, kept = tmp_path / "tries", tmp_path / "data"
    lines = (f"echo try >> {tries}", "echo first >&2", "echo refused >&2", "exit 1")
    failing = program(tmp_path, *lines)
    await hand_over(kept, address=ADDRESS, token=TOKEN)
    async with monitor(kept, N8N_BRIDGE=failing) as told:
        line = (await told.readline()).decode()
        assert line.startswith("n8n-bridge tells of no events: refused. ")
        before = tries.read_text().count("try")
        assert before >= 3
        program(tmp_path, f"echo try >> {tries}", "exit 0")
        assert await told.read() == b""
        assert tries.read_text().count("try") > before


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (("exit 7",), "ended without a word, with status 7"),
        (('echo "it is $$"', "exit 1"), "it is"),
    ],
)
async def test_a_fault_without_words_or_with_others_each_time_is_told_too(
    tmp_path: Path, lines: tuple[str, ...], says: str
) -> None:
    failing = program(tmp_path, *(f"{line} >&2" for line in lines))
    await hand_over(tmp_path / "data", address=ADDRESS, token=TOKEN)
    async with monitor(tmp_path / "data", N8N_BRIDGE=failing) as told:
        assert says in (await told.readline()).decode()


@pytest.mark.parametrize("shell", ["", "sh -c "], ids=["its parent", "the parent of its shell"])
async def test_it_ends_by_itself_when_its_session_has_gone(tmp_path: Path, shell: str) -> None:
    failing = program(tmp_path, "echo refused >&2", "exit 1")
    await hand_over(tmp_path / "data", address=ADDRESS, token=TOKEN)
    watch = f"sh '{PLUGIN}/scripts/watch.sh' '{tmp_path}/data'"
    starting = f'{shell}"{watch}; :" & read -r _' if shell else f"{watch} & read -r _"
    session = await asyncio.create_subprocess_exec(
        *("sh", "-c", starting),
        env={"PATH": str(few_programs(tmp_path)), "N8N_BRIDGE": failing},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert session.stdout
    async with asyncio.timeout(WITHIN_S):
        assert await session.stdout.readline()
        session.kill()
        assert await session.stdout.read() == b""  # the last that could write to it has ended


async def test_what_keeps_it_from_watching_is_told(tmp_path: Path) -> None:
    async def said(name: str, address: str, **environ: str) -> str:
        await hand_over(tmp_path / name, address=address, token=TOKEN)
        async with monitor(tmp_path / name, **environ) as told:
            return (await told.readline()).decode()

    unset, wrong, missing = await asyncio.gather(
        said("a", "", N8N_BRIDGE="true"),
        said("b", "https://bridge.example.com", N8N_BRIDGE="true"),
        said("c", ADDRESS),
    )
    assert "has no address and token yet" in unset
    assert "is no address of a server" in wrong
    assert "uvx is not there" in missing


def test_the_model_takes_what_it_is_told_of_and_answers_with_its_lease() -> None:
    line = '<event>{"event_id": "evt_1", "hook": "x"}</event>'
    session: list[Block] = [{"role": "user", "content": f"<summary>It came</summary>{line}"}]

    def used(tool: str, given: object, result: object) -> None:
        """Put a use of a tool, and its result, behind what was said."""
        use_id = f"toolu_{len(session)}"
        use = {"type": "tool_use", "id": use_id, "name": f"{TOOLS}{tool}", "input": given}
        answer = {"type": "tool_result", "tool_use_id": use_id, "content": json.dumps(result)}
        session.append({"role": "assistant", "content": [use]})
        session.append({"role": "user", "content": [answer]})

    take = read(session).next_call()
    assert take == ("take_event", {"event_id": "evt_1"})
    used(*take, {"event_id": "evt_1", "lease": "l"})
    reply = read(session).next_call()
    assert reply
    assert (reply[0], reply[1]["lease"]) == ("reply_to_event", "l")
    used(*reply, {"status": "answered"})
    assert (read(session).next_call(), read(session).answered) == (None, {"evt_1"})

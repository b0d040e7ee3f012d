"""`new` as users run it: from nothing to the first call, its tests, and its questions."""

import asyncio
import json
import os
import pty
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import click
import httpx2
import pytest

from bridge.authoring.scaffold.project import KINDS
from bridge.client.mcp_client import connected
from bridge.configuration.settings import read_dotenv
from bridge.local.ports import free_port
from tests.claude import use
from tests.processes import AS_STARTED, OF_THE_TREE, ROOT, run, running
from tests.wheels import welcomed

FIRST_CALL_S = 20.0
WITHOUT_OTHERS = ("-p", "no:hypothesispytest", "-p", "no:anyio")
"""Plugins of this tree that a project's tests have no use for, and that take a second to load."""


async def test_from_nothing_to_the_first_call_without_n8n(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Held by the time that all processes compute: what passes is the machine's affair."""
    started, computed_s = time.monotonic(), of_children_s()
    said = await run("new", "desk", environ={}, folder=tmp_path, program=AS_STARTED)
    assert said[0] == 0, said[1]
    folder, port = tmp_path / "desk", free_port()
    environ = {"BRIDGE_PORT": str(port)}
    async with running("up", environ=environ, folder=folder, program=AS_STARTED) as up:
        await welcomed(up)
        token = read_dotenv(folder / ".env")["DESK_CLAUDE_TOKEN"]
        async with connected(f"http://127.0.0.1:{port}/mcp/desk", token) as client:
            answer = await use(client, "desk", text="hello")
        took_s = time.monotonic() - started
        up.process.terminate()
        assert await up.ended() == 0
    computed_s = of_children_s() - computed_s
    with capsys.disabled():
        click.echo(f"\nnew to the first call: {took_s:.1f} s, of which {computed_s:.1f} s computed")
    assert answer == {"text": "HELLO", "answered_by": "the bridge's built-in n8n stand-in"}
    assert computed_s <= FIRST_CALL_S


def of_children_s() -> float:
    """Return what processes that were started here, and have ended, have computed."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("kind", KINDS)
async def test_the_stand_in_of_up_plays_what_the_server_file_describes(
    kind: str, tmp_path: Path
) -> None:
    assert (await run("new", "desk", "--kind", kind, environ={}, folder=tmp_path))[0] == 0
    folder, port = tmp_path / "desk", free_port()
    async with running("up", environ={"BRIDGE_PORT": str(port)}, folder=folder) as up:
        await welcomed(up)
        token = read_dotenv(folder / ".env")["DESK_CLAUDE_TOKEN"]
        async with connected(f"http://127.0.0.1:{port}/mcp/desk", token) as client:
            sent = (
                await sent_by_the_readme(folder, port) if kind not in ("tool", "python") else None
            )
            assert (await use(client, "take_event"))["event_id"] == sent
            if kind == "document":
                result = await use(client, "desk", document_url="https://example.com/a.pdf")
                assert result["pages"] == 2


async def sent_by_the_readme(folder: Path, port: int) -> str:
    """Send what the README's line of curl sends, in place of n8n; return the event's id."""
    (line,) = re.findall("`curl (.+?)`", (folder / "README.md").read_text())
    said = subprocess.check_output(
        ["bash", "-c", f". ./.env; printf '%s\\n' {line}"],
        cwd=folder,
        env={"BRIDGE_PORT": str(port)},
        text=True,
    )
    url, *options = said.splitlines()
    *headers, body = options[1::2]
    async with httpx2.AsyncClient() as http:
        answer = await http.post(
            url, headers=dict(each.split(": ") for each in headers), content=body
        )
    event: str = answer.raise_for_status().json()["event_id"]
    return event


# What it starts has limits of its own, 30 s for each thing it waits for, and says which was passed.
@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", [*KINDS, "from curl"])
async def test_its_own_tests_pass_where_pytest_knows_nothing_of_this_tree(
    kind: str, tmp_path: Path
) -> None:
    curl = ("--from-curl", "curl http://n8n/webhook/a?key=k -H 'X-Key: k' -d '{\"a\": [1]}'")
    how = curl if kind == "from curl" else ("--kind", kind)
    assert (await run("new", "desk", *how, environ={}, folder=tmp_path))[0] == 0
    environ = {name: text for name, text in os.environ.items() if "BRIDGE_" not in name}
    tests = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *WITHOUT_OTHERS),
        cwd=tmp_path / "desk",
        env={**environ, "PYTHONPATH": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = await tests.communicate()
    assert tests.returncode == 0, said.decode()


async def test_the_plugin_loads_nothing_until_a_test_wants_a_bridge(tmp_path: Path) -> None:
    (tmp_path / "test_nothing.py").write_text(
        "import sys\n"
        "def test_nothing() -> None:\n"
        "    heavy = {'mcp', 'starlette', 'pydantic', 'redis', 'httpx2', 'anyio'}\n"
        "    assert 'bridge.testing' in sys.modules\n"
        "    assert heavy & sys.modules.keys() == set()\n"
    )
    options = ("-q", "-p", "no:cacheprovider", *WITHOUT_OTHERS)
    tests = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", *options), cwd=tmp_path, stdout=subprocess.PIPE
    )
    said, _ = await tests.communicate()
    assert tests.returncode == 0, said.decode()


def test_on_a_terminal_it_asks_for_what_is_not_given(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    environ = {name: text for name, text in os.environ.items() if "BRIDGE_" not in name}
    process = subprocess.Popen(
        [*OF_THE_TREE, "new"],
        cwd=tmp_path,
        env={**environ, "PYTHONPATH": str(ROOT)},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    said = ""
    for question, answer in [
        ("What is the server called?", "My Desk"),
        ("choose another", " my-desk "),
        ("Number [1]:", "2"),
        ("Number [1]:", "2"),
        ("what to do in n8n.", ""),
    ]:
        at = len(said)
        while question not in said[at:]:
            said += os.read(ours, 65536).decode()
        os.write(ours, f"{answer}\n".encode() if answer else b"")
    assert process.wait() == 0
    os.close(ours)
    assert "Who sends first?" in said
    assert "What comes back?" in said
    mcp = json.loads((tmp_path / "my-desk" / ".mcp.json").read_text())
    assert [*mcp["mcpServers"]] == ["my-desk"]
    assert (
        "/hooks/my-desk/approval" in (tmp_path / "my-desk/config/servers/my-desk.yaml").read_text()
    )

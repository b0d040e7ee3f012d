"""Every block of code on the pages is run, or read by what would read it, or named as not run."""

import ast
import asyncio
import base64
import itertools
import json
import re
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import yaml

import bridge.__main__  # noqa: F401 - it adds the workers' command to ours
from bridge.authoring.checking.check import check, errors
from bridge.authoring.development.answers import read_answers
from bridge.authoring.scaffold.curl_line import CurlLine
from bridge.configuration.alert_files import read_alert_file
from bridge.configuration.settings import DEMO_VARIABLES, Settings, read_dotenv
from bridge.local.ports import free_port
from tests.claude import Spread, claude
from tests.docs.blocks import (
    NOT_OURS,
    PLACEHOLDER,
    Block,
    blocks,
    is_of_settings,
    program_of,
    simple_commands,
)
from tests.docs.commands_shown import look_at
from tests.docs.pages import ROOT
from tests.processes import Running, running
from tests.waiting import wait_until

SHELL = [block for block in blocks("sh") if not is_of_settings(block)]
MCP_PATH = re.compile(r"/(mcp|mcp-2025|sse)/[a-z0-9-]+$")


class Demo:
    """What `up` serves on this machine, with the variables that the pages use."""

    def __init__(self, up: Running, folder: Path) -> None:
        tokens = json.loads((folder / "data" / "demo-tokens.json").read_text())
        self.token = tokens["BRIDGE_DEMO_TOKEN"]
        self.hook_token = tokens["BRIDGE_DEMO_HOOK_TOKEN"]
        (self.port,) = re.findall(r"127\.0\.0\.1:(\d+)/mcp/demo ", up.output)
        (self.stand_in_port,) = re.findall(r"127\.0\.0\.1:(\d+)/webhook/ask-claude", up.output)

    def here(self, command: str) -> str:
        """Return a command with the ports and tokens of this demo, and one second for twenty."""
        known = {
            "127.0.0.1:25680": f"127.0.0.1:{self.stand_in_port}",
            "8080": self.port,
            "seconds=20": "seconds=1",
            "'$HOOK_TOKEN'": self.hook_token,
            "$HOOK_TOKEN": self.hook_token,
            "$TOKEN": self.token,
        }
        return re.sub("|".join(map(re.escape, known)), lambda found: known[found[0]], command)

    async def use(self, tool: str, **arguments: Any) -> Any:
        """Call a tool as Claude does."""
        origin = f"http://127.0.0.1:{self.port}"
        spread = Spread([origin])
        async with claude("demo", self.token, "2026-07-28", spread, origin) as client:
            return (await client.call_tool(tool, arguments)).structured_content


@pytest.fixture(scope="module")
async def demo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Demo]:
    """Return the demo of a running `up`."""
    folder = tmp_path_factory.mktemp("pages")
    environ = {"BRIDGE_DATA_DIR": str(folder / "data"), "BRIDGE_PORT": str(free_port())}
    async with running("up", environ=environ, folder=folder) as up:
        await wait_until(lambda: "\nn8n is " in up.output, "it has said how to connect", 30)
        yield Demo(up, folder)


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_json_is_json_and_what_clients_read_leads_to_a_server(block: Block) -> None:
    for document in documents(block):
        for entry in (document.get("mcpServers") or document.get("servers") or {}).values():
            if "url" in entry:
                assert MCP_PATH.fullmatch(urlsplit(entry["url"]).path)
            else:
                for command in simple_commands(" ".join(map(shell_word, started(entry)))):
                    look_at(command)


def documents(block: Block) -> list[dict[str, Any]]:
    """Return the documents of a block: one, or one a line."""
    try:
        found = [json.loads(block.text)]
    except json.JSONDecodeError:
        found = [json.loads(line) for line in block.text.splitlines()]
    return [each for each in found if isinstance(each, dict)]


def started(entry: dict[str, Any]) -> list[str]:
    return [entry["command"], *entry.get("args", [])]


def shell_word(word: str) -> str:
    return f"'{word}'" if " " in word else word


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_yaml_is_what_the_bridge_reads(block: Block, tmp_path: Path) -> None:
    read = yaml.safe_load(block.text)
    file = tmp_path / "page.yaml"
    file.write_text(block.text)
    if "answers" in read:
        read_answers(file, {}, knows_all=False)
    elif "alerts" in read:
        assert read_alert_file(alert_environ(file, block)).alerts
    elif next(iter(read)) not in NOT_OURS:
        is_sound(block, file)


def alert_environ(file: Path, block: Block) -> dict[str, str]:
    """Return the environment of a file of alerts, without the servers that its rules name."""
    file.write_text(re.sub(r", on: [^,}]+|on: [^,}]+, ", "", block.text))
    names = re.findall(r"env:(\w+)", block.text)
    urls = {"BRIDGE_N8N_URL": "http://localhost:5678", "BRIDGE_ALERTS": str(file)}
    return dict.fromkeys(names, "a-secret-of-alerts") | urls


def is_sound(block: Block, file: Path) -> None:
    """Check a server file, or a hook's `auth` or a server's hooks as if they stood in one.

    Handlers that it names are what the page shows in Python.
    """
    read = yaml.safe_load(block.text)
    whole = {"hooks": {"any": read}} if "auth" in read else read
    if "name" not in read:
        file.write_text(yaml.safe_dump({"name": "page", **whole}))
    for module in re.findall(r"handler: ([\w.]+):", block.text):
        handlers = file.parent.joinpath(*module.split(".")).with_suffix(".py")
        handlers.parent.mkdir(parents=True, exist_ok=True)
        handlers.write_text("\n".join(b.text for b in blocks("python") if b.page == block.page))
    names = re.findall(r"env:(\w+)|\$\{(\w+)\}", block.text)
    environ = {
        name: base64.b64encode(name.encode() * 3).decode() for name in sum(names, ()) if name
    }
    environ |= {"BRIDGE_N8N_URL": "http://localhost:5678"}
    assert [str(fault) for fault in errors(check(file, environ))] == []


@pytest.mark.parametrize("block", [b for b in blocks("sh") if is_of_settings(b)], ids=str)
def test_lines_for_a_dotenv_file_are_settings(block: Block, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(block.text)
    Settings.from_environ(read_dotenv(tmp_path / ".env"), DEMO_VARIABLES)


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_runs(block: Block) -> None:
    """A decision shows parts of the code as they were when it was made: those are only parsed."""
    ast.parse(block.text)
    if "/decisions/" not in block.page:
        subprocess.run([sys.executable, "-c", block.text], cwd=ROOT, check=True)


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_commands_are_taken_as_they_stand(block: Block) -> None:
    subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)
    for command in simple_commands(block.text):
        look_at(command)


@pytest.mark.parametrize("block", [b for b in SHELL if "127.0.0.1" in b.text], ids=str)
async def test_what_is_sent_to_a_bridge_on_this_machine_is_answered(
    block: Block, demo: Demo
) -> None:
    for command in simple_commands(demo.here(block.text)):
        if PLACEHOLDER in " ".join(command):
            continue
        if program_of(command) == "curl" and "$" not in " ".join(command):
            await sent(command, demo)
        if program_of(command) == "npx":
            await inspected(command, demo)


async def sent(command: list[str], demo: Demo) -> None:
    """Send what a curl sends, and have Claude answer the question where it waits for that."""
    line = CurlLine.read(shlex.join(command))
    method = line.method or ("POST" if line.body else "GET")
    async with httpx2.AsyncClient(trust_env=False, timeout=20) as http:
        request = http.request(method, line.url, headers=line.headers, content=line.body)
        if "/webhook/ask-claude" in line.url:
            response, _ = await asyncio.gather(request, answer_one(demo))
        else:
            response = await request
    assert response.is_success
    assert response.json()


async def answer_one(demo: Demo) -> None:
    event = await demo.use("take_event", wait_seconds=20)
    told = {"event_id": event["event_id"], "lease": event["lease"]}
    await demo.use("reply_to_event", **told, reply={"answer": "The Team plan."})


async def inspected(command: list[str], demo: Demo) -> None:
    """Ask what the Inspector would ask, with another client: that one is not installed here."""
    options = dict(itertools.pairwise(command))
    assert options["--cli"] == f"http://127.0.0.1:{demo.port}/mcp/demo"
    assert options["--header"] == f"Authorization: Bearer {demo.token}"
    if options["--method"] == "tools/call":
        given = [word for flag, word in itertools.pairwise(command) if flag == "--tool-arg"]
        named = (word.partition("=") for word in given)
        arguments = {name: read(value) for name, _, value in named}
        assert await demo.use(options["--tool-name"], **arguments) is not None


def read(value: str) -> Any:
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value

"""`dev` runs the whole bridge, keeps in step with what is written, and plays either side."""

import itertools
import re
import shutil
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from bridge.client.mcp_client import connected
from bridge.local.ports import free_port
from tests import commands
from tests.claude import use
from tests.doors.by_hand import open_session, request
from tests.processes import ROOT, Running, children_of, is_gone, running
from tests.waiting import wait_until

START_S = 30.0
SERVERS = """
name: support
title: Support
tokens: [{name: alice, token: env:ALICE}]
hooks:
  ticket:
    auth: {github: env:HOOK}
    keep: {headers: [x-note], query: true}
    reply:
      type: object
      properties: {category: {enum: [other, billing]}}
      required: [category]
  odd: {auth: {bearer: env:HOOK}, reply: {type: string, pattern: "^x+$"}}
  aside: {auth: {bearer: env:HOOK}}
workflows:
  find:
    description: Finds.
    url: ${BRIDGE_N8N_URL}/webhook/find
    output: {type: object, properties: {found: {const: Ann}}}
"""
ANSWERS = """
answers:
  - {hook: ticket, where: {/subject: invoice}, reply: {category: billing}}
  - {hook: aside, release: {reason: not now, dead: true}}
calls:
  - {server: support, workflow: find}
"""
SECRETS = {"ALICE": "the-token-of-alice-1", "HOOK": "the-token-of-the-hook-1"}


def settings_of(folder: Path) -> dict[str, str]:
    """Return the environment of a `dev` of its own, whose files are written."""
    (folder / "servers").mkdir()
    (folder / "servers" / "support.yaml").write_text(SERVERS)
    (folder / "answers.yaml").write_text(ANSWERS)
    return {
        **SECRETS,
        "BRIDGE_SERVERS": str(folder / "servers"),
        "BRIDGE_DATA_DIR": str(folder / "data"),
        "BRIDGE_PORT": str(free_port()),
        "BRIDGE_N8N_URL": "http://127.0.0.1:9",
        "BRIDGE_DRAIN_S": "5",
    }


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return settings_of(tmp_path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dev")


@pytest.fixture(scope="module")
def kept_environ(folder: Path) -> dict[str, str]:
    return settings_of(folder)


@pytest.fixture(scope="module")
async def dev(kept_environ: dict[str, str], folder: Path) -> AsyncIterator[Running]:
    """Return a `dev` that plays both sides, and that each test leaves whole."""
    options = ("--fake-n8n", "--fake-claude", str(folder / "answers.yaml"))
    async with running("dev", *options, environ=kept_environ) as started:
        await welcomed(started)
        yield started


async def welcomed(dev: Running) -> None:
    def is_welcomed() -> bool:
        assert dev.process.returncode is None, dev.output
        return dev.has_said("\nn8n is ")

    await wait_until(is_welcomed, "the welcome's last part", START_S)


async def said(dev: Running, pattern: str) -> None:
    """Wait until it has printed a line."""

    def is_said() -> bool:
        assert dev.process.returncode is None, dev.output
        return re.search(pattern, dev.output, re.MULTILINE) is not None

    await wait_until(is_said, pattern, START_S)


async def send(environ: dict[str, str], hook: str, payload: object) -> str:
    """Send an event that proves itself by a token; returns its id."""
    async with httpx2.AsyncClient(trust_env=False) as http:
        url = f"http://127.0.0.1:{environ['BRIDGE_PORT']}/hooks/support/{hook}"
        headers = {"authorization": f"Bearer {SECRETS['HOOK']}"}
        answer = await http.post(url, json=payload, headers=headers)
    return str(answer.raise_for_status().json()["event_id"])


async def test_claude_is_played_by_the_answers_and_each_change_is_a_line(
    dev: Running, kept_environ: dict[str, str]
) -> None:
    call = r"^[\d:]{8}  call   support/find  call_\S+  succeeded  by alice  \(queued → sent "
    await said(dev, call)
    aside = await send(kept_environ, "aside", {})
    await said(dev, rf"event  support/aside  {aside}  dead .*not now$")


async def test_the_console_is_open_where_it_says(
    dev: Running, kept_environ: dict[str, str]
) -> None:
    address = f"http://127.0.0.1:{kept_environ['BRIDGE_PORT']}/console"
    await said(dev, f"^The console is open to whoever works on this machine: {address}$")
    aside = await send(kept_environ, "aside", {})
    async with httpx2.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"{address}/events/{aside}")
        assert (answer.status_code, "Run again as new" in answer.text) == (200, True)
        proxied = await http.get(f"{address}/events", headers={"x-forwarded-for": "127.0.0.1"})
        assert proxied.status_code == 404


async def test_a_reply_that_is_refused_sets_its_event_aside(
    dev: Running, kept_environ: dict[str, str]
) -> None:
    odd = await send(kept_environ, "odd", {})
    await said(dev, rf"{odd}  dead .*the fake Claude's reply was refused: ")


async def test_files_are_read_anew_as_far_as_they_are_sound(
    dev: Running, kept_environ: dict[str, str], folder: Path
) -> None:
    broken = folder / "servers" / "other.yaml"
    broken.write_text("name: other\nhooks: {new: {auth: {bearer: env:NOWHERE}}}\n")
    await said(dev, r"^\S+other.yaml:2: hooks.new.auth\S* needs the variable NOWHERE")
    file = folder / "servers" / "support.yaml"
    file.write_text(SERVERS + "  more: {description: M., url: 'http://127.0.0.1:9/webhook/more'}\n")
    await said(dev, r"^support/more is not played by the stand-in but sent to http://127.0.0.1:9/")
    (folder / "answers.yaml").write_text("answers: [{hook: none, reply: 1}]\notherwise: sometimes")
    await said(dev, r"^\S+answers.yaml:2: otherwise ")
    broken.unlink()
    file.write_text(SERVERS)
    (folder / "answers.yaml").write_text(ANSWERS.replace("not now", "never"))
    await said(dev, r"^all files are sound again$")
    aside = await send(kept_environ, "aside", {})
    await said(dev, rf"{aside}  dead .*never$")


async def test_changed_handlers_are_run_as_they_are_now(
    dev: Running, kept_environ: dict[str, str], folder: Path
) -> None:
    handlers = folder / "servers" / "own" / "handlers.py"
    handlers.parent.mkdir()
    handlers.write_text('async def count() -> int:\n    """Count."""\n    return 1\n')
    count = "{kind: python, handler: own.handlers:count, attach: false}"
    own = f"name: own\nworkflows: {{count: {count}}}\n"
    (folder / "servers" / "own.yaml").write_text(own)
    url = f"http://127.0.0.1:{kept_environ['BRIDGE_PORT']}/mcp/own"

    async def counts() -> object:
        async with connected(url, "") as claude:
            return (await use(claude, "count"))["result"]

    async def counts_one() -> bool:
        try:
            return await counts() == 1
        except Exception:  # noqa: BLE001 - the server is not there yet, in whatever words
            return False

    await wait_until(counts_one, "the handler", START_S)
    assert not dev.has_said("own.yaml:")
    handlers.write_text(handlers.read_text().replace("1", "2"))

    async def counts_two() -> bool:
        return await counts() == 2

    await wait_until(counts_two, "the changed handler", START_S)


async def test_a_broken_file_is_served_once_it_is_mended_and_a_signal_drains_all(
    environ: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "servers" / "support.yaml"
    file.write_text(SERVERS + "  broken: [")
    other = tmp_path / "servers" / "other.yaml"
    other.write_text("name: other\n")
    async with running("dev", "--fake-n8n", environ=environ) as dev:
        await welcomed(dev)
        await said(dev, r"^\S+support.yaml:\d+: the file is not valid YAML")
        assert dev.has_said("/mcp/other")
        file.write_text(SERVERS)
        await said(dev, r"^all files are sound again$")

        async def is_served() -> bool:
            try:
                return bool(await send(environ, "odd", {}))
            except httpx2.HTTPStatusError:
                return False

        await wait_until(is_served, "the mended server", START_S)
        children = children_of(dev.process.pid)
        assert set(children) == {"valkey", "standin", "web", "worker"}
        dev.process.send_signal(signal.SIGINT)
        assert await dev.ended() == 0
        assert all(is_gone(pid) for pid in children.values())


async def test_changed_code_is_started_anew_and_no_request_and_no_session_is_lost(
    environ: dict[str, str], tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    for package in ("bridge", "workers"):
        shutil.copytree(ROOT / package, tree / package)
    shutil.copytree(ROOT / "config" / "servers", tree / "config" / "servers")
    environ |= {"PYTHONPATH": str(tree)}
    url = f"http://127.0.0.1:{environ['BRIDGE_PORT']}/mcp/support"
    async with (
        running("dev", "--fake-n8n", environ=environ, folder=tree) as dev,
        httpx2.AsyncClient(timeout=START_S, trust_env=False) as http,
    ):
        await welcomed(dev)
        before = children_of(dev.process.pid)
        session = await open_session(http, url, token=SECRETS["ALICE"])
        (tree / "bridge" / "__init__.py").touch()

        def are_replaced() -> bool:
            now = children_of(dev.process.pid)
            return all(now.get(name) not in (None, before[name]) for name in ("web", "worker"))

        numbers = itertools.count(10)

        async def are_replaced_unnoticed() -> bool:
            answer = await session.post(request("tools/list", next(numbers)))
            assert answer.status_code == 200
            return are_replaced()

        await wait_until(are_replaced_unnoticed, "both are replaced", 2 * START_S)
        answer = await session.post(request("tools/list", next(numbers)))
        assert '"find"' in answer.text
        now = children_of(dev.process.pid)
        assert {name: now[name] for name in ("valkey", "standin")}.items() <= before.items()


async def test_wrong_answers_are_all_named_and_nothing_starts(
    environ: dict[str, str], tmp_path: Path
) -> None:
    answers = tmp_path / "answers.yaml"
    answers.write_text("answers:\n  - {hook: tickt}\ncalls:\n  - {server: a, workflow: find}\n")
    status, told = await commands.run("dev", "--fake-claude", str(answers), environ=environ)
    assert status == 1
    assert [line.partition("answers.yaml:")[2][:2] for line in told.splitlines()] == ["2:", "4:"]
    status, told = await commands.run("dev", "--fake-claude", "none.yaml", environ=environ)
    assert (status, told) == (1, "none.yaml is no file: name one of answers, or mend its name\n")


async def test_a_taken_port_is_named_in_one_line(environ: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", int(environ["BRIDGE_PORT"]))):
        status, told = await commands.run("dev", environ=environ)
    assert status == 1
    assert told.startswith(f"cannot listen on 127.0.0.1 port {environ['BRIDGE_PORT']}: ")
    assert told.count("\n") == 1

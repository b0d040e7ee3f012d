"""`--reload`: server files are read anew when they change, by all that serves them."""

import asyncio
import contextlib
import copy
import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import httpx2
import pytest

from bridge.local.ports import free_port
from bridge.standin.described import flow_at
from bridge.standin.serving import serving
from bridge.standin.standin import Standin
from tests.doors.by_hand import Modern, call, events, request
from tests.process.test_reload import CHANGED, READ, WANTED, Stream, names_in, result_of, told
from tests.processes import running
from tests.standin.published import workflows
from tests.waiting import wait_until

START_S = 30.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "servers"
    made.mkdir()
    (made / "desk.json").write_text(json.dumps({"name": "desk"}))
    return made


@contextlib.asynccontextmanager
async def listening(modern: Modern) -> AsyncIterator[Stream]:
    """Listen for other tools."""
    async with (
        modern.stream(request("subscriptions/listen", 7, notifications=WANTED)) as answer,
        contextlib.aclosing(events(answer)) as stream,
    ):
        await told(stream, "notifications/subscriptions/acknowledged")
        yield stream


@pytest.mark.parametrize(
    ("command", "has_started"), [("web", "http.started"), ("worker", "worker.started")]
)
async def test_a_process_reads_changed_files_anew_only_when_it_is_asked_to(
    folder: Path, redis_url: str, command: str, has_started: str
) -> None:
    alerts = folder.with_name("alerts.yaml")
    alerts.write_text("receivers: {}\n")
    environ = {
        "BRIDGE_ALERTS": str(alerts),
        "BRIDGE_SERVERS": str(folder),
        "BRIDGE_REDIS_URL": redis_url,
        "BRIDGE_PORT": str(free_port()),
    }
    async with (
        running(command, "--reload", environ=environ) as asked,
        running(command, environ=environ | {"BRIDGE_PORT": str(free_port())}) as not_asked,
    ):
        for each in (asked, not_asked):
            await wait_until(partial(each.has_said, has_started), has_started, START_S)
        (folder / "desk.json").write_text(json.dumps({"name": "desk", "title": "Desk"}))
        await wait_until(partial(asked.has_said, READ[0]), "a reload")
        alerts.write_text("alerts: none\n")
        await wait_until(partial(asked.has_said, "server_files.kept"), "the fault of the alerts")
        assert not not_asked.has_said(READ[0])


async def test_workflows_that_n8n_publishes_appear_by_themselves(
    folder: Path, tmp_path: Path
) -> None:
    published = copy.deepcopy(workflows())
    first = [each for each in published if each["name"] == "Transcribe"]
    later = [each for each in published if each["name"] == "Draft order"]
    environ = {
        "BRIDGE_SERVERS": str(folder),
        "BRIDGE_N8N_API_KEY": "any",
        "BRIDGE_DATA_DIR": str(tmp_path / "data"),
        "BRIDGE_PORT": str(free_port()),
    }
    standin = Standin(published=first, further=lambda path: flow_at(path, environ))
    async with (
        standin,
        serving(standin) as url,
        httpx2.AsyncClient(timeout=START_S, trust_env=False) as http,
    ):
        environ["BRIDGE_N8N_URL"] = url
        async with (
            running("discover", "--watch", "--every", "0.1s", environ=environ),
            running("up", "--reload", environ=environ) as up,
        ):
            modern = Modern(http, f"http://127.0.0.1:{environ['BRIDGE_PORT']}/mcp/n8n")
            await wait_until(partial(up.has_said, "\nn8n is "), "the welcome", START_S)
            await wait_until(partial(has, modern, {"transcribe"}), "the first tools")
            async with listening(modern) as stream:
                standin.published += later
                await asyncio.wait_for(told(stream, CHANGED), START_S)
                await wait_until(partial(has, modern, {"transcribe", "draft_order"}), "a new tool")
                ran = result_of(await modern.post(call("draft_order", customer="ann", lines=[])))
                assert not ran["isError"], ran
                standin.published[:] = later
                await asyncio.wait_for(told(stream, CHANGED), START_S)
                await wait_until(partial(has, modern, {"draft_order"}), "the other to go")


async def has(modern: Modern, workflows: set[str]) -> bool:
    """Report whether these are the workflows that a client sees."""
    answer = await modern.post(request("tools/list"))
    if not answer.is_success:
        return False
    known = {"transcribe", "draft_order"}
    return names_in(answer.json()) & known == workflows

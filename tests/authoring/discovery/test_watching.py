"""`discover --watch` keeps a server file in step with n8n, whatever n8n answers meanwhile."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.authoring.discovery.any_n8n import N8n, api, discover, read
from tests.processes import Running, running
from tests.serving import serving_any
from tests.standin.published import TAG
from tests.waiting import wait_until


async def test_watching_takes_up_what_is_published_and_drops_what_is_withdrawn(
    n8n: N8n, tmp_path: Path
) -> None:
    file = tmp_path / "n8n.yaml"
    kept = n8n.published[:]
    n8n.published[:] = [each for each in kept if each["name"] in ("Transcribe", "Parse invoice")]
    watch = ("discover", "--watch", "--every", "0.05s", "--file", str(file))
    async with running(*watch, environ=n8n.environ) as command:
        await wait_until(file.exists, "the file to be written")
        # A start would stop at a secret that is not set.
        assert list(read(file)) == ["transcribe"]
        left_out = "Parse invoice: left out, for N8N_INVOICE_KEY must be set"
        await wait_until(lambda: command.has_said(left_out), "the reason why one is left out")
        n8n.published.append(next(each for each in kept if each["name"] == "Draft order"))
        await wait_until(lambda: "draft_order" in read(file), "a new tool")
        n8n.published[:] = n8n.published[-1:]
        await wait_until(lambda: list(read(file)) == ["draft_order"], "the others to go")
        command.process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(command.ended(), 10) == 0


@dataclass
class MovingN8n:
    """An n8n of one published workflow, whose answers can be changed."""

    instead: Response | None = None
    updated_at: str = "2026-11-29T20:00:00.000Z"
    read: int = 0

    async def list(self, _request: Request) -> Response:
        record = {"id": "w1", "active": True, "updatedAt": self.updated_at}
        published = {**record, "tags": [{"name": TAG}]}
        return self.instead or JSONResponse({"data": [published], "nextCursor": None})

    async def one(self, _request: Request) -> Response:
        self.read += 1
        node = {"type": "n8n-nodes-base.webhook", "name": "Webhook", "parameters": {"path": "a"}}
        shown = {"id": "w1", "name": f"Read {self.read}", "nodes": [node]}
        return JSONResponse(shown)

    @asynccontextmanager
    async def watched(self, file: Path) -> AsyncIterator[Running]:
        routes = [Route("/api/v1/workflows", self.list), Route("/api/v1/workflows/w1", self.one)]
        watch = ("discover", "--watch", "--every", "0.05s", "--file", str(file))
        async with serving_any(Starlette(routes=routes)) as url:
            environ = {"BRIDGE_N8N_URL": url, **api()}
            async with running(*watch, environ=environ) as command:
                await wait_until(lambda: command.has_said("in step with n8n: 1 tools"), "one tool")
                yield command
                command.process.send_signal(signal.SIGINT)
                assert await asyncio.wait_for(command.ended(), 10) == 0


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (PlainTextResponse("n8n is starting up. Please wait"), "is starting: try again"),
        (PlainTextResponse("<html>", media_type="text/html"), "is not n8n's API"),
        (PlainTextResponse("", 500), "n8n answers 500"),
        (JSONResponse({"message": "Unauthorized"}, 401), "n8n refuses BRIDGE_N8N_API_KEY"),
    ],
)
async def test_watching_outlives_an_n8n_that_answers_otherwise_for_a_while(
    tmp_path: Path, answer: Response, says: str
) -> None:
    moving, file = MovingN8n(), tmp_path / "n8n.yaml"
    async with moving.watched(file) as command:
        moving.instead = answer
        await wait_until(lambda: command.has_said(says), "what is wrong")
        assert command.has_said("n8n.yaml stays as it is: ")
        assert list(read(file)) == ["read_1"]
        moving.instead, moving.updated_at = None, "2026-11-29T20:00:01.000Z"
        await wait_until(lambda: "title: Read 2" in file.read_text(), "the file to follow again")


async def test_watching_reads_a_workflow_again_only_when_n8n_has_changed_it(tmp_path: Path) -> None:
    moving, file = MovingN8n(), tmp_path / "n8n.yaml"
    async with moving.watched(file):
        assert moving.read == 1
        moving.updated_at = "2026-11-29T20:00:01.000Z"
        await wait_until(lambda: "title: Read 2" in file.read_text(), "the file to follow")
        assert moving.read == 2


async def test_a_workflow_that_is_gone_when_it_is_read_is_passed_over(tmp_path: Path) -> None:
    routes = [Route("/api/v1/workflows", MovingN8n().list)]
    async with serving_any(Starlette(routes=routes)) as url:
        n8n = N8n({"BRIDGE_N8N_URL": url, **api()})
        status, said = await discover(n8n, tmp_path / "n8n.yaml", "--yes")
    assert (status, said.startswith("n8n has no published workflow")) == (0, True), said

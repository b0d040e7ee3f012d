"""n8n as a test plays it: what its workflows answer, what came to them, who waits for a reply."""

import asyncio
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx2
from anyio.from_thread import BlockingPortal

from bridge.configuration.servers import Server, Workflow
from bridge.models import Json
from bridge.standin.described import described_flow, failing_flow
from bridge.standin.standin import Standin
from bridge.standin.workflows import Flow

ANSWER_S = 30.0
POLL_S = 0.02


class PlayedN8n:
    """The stand-in of a test. A workflow that is told no answer gives one that its `output` allows.

    A workflow is named by the path of its webhook, or by its tool's name.
    """

    def __init__(self, portal: BlockingPortal) -> None:
        self._portal = portal
        self._answers: dict[str, Json] = {}
        self._failures: dict[str, str] = {}
        self._workflows: dict[str, Workflow] = {}

    def open(
        self, standin: Standin, http: httpx2.AsyncClient, url: str, servers: Mapping[str, Server]
    ) -> None:
        """Begin to play the workflows of these servers."""
        self._standin, self._http, self._url = standin, http, url
        for server in servers.values():
            for workflow in server.webhooks:
                path = urlsplit(workflow.url).path.partition("/webhook/")[2].strip("/")
                self._workflows[path] = workflow

    def answer(self, workflow: str, value: Json) -> None:
        """Have a workflow answer with this from now on, in the way that the server file says."""
        self._answers[self._path(workflow)] = value
        self._failures.pop(self._path(workflow), None)

    def fail(self, workflow: str, message: str) -> None:
        """Have a workflow fail from now on, as n8n does: the webhook's answer never says how."""
        self._failures[self._path(workflow)] = message

    def received(self, workflow: str) -> list[Json]:
        """Return the bodies of all requests that came to a workflow, oldest first."""
        return [seen.body for seen in self._standin.seen.of(f"/webhook/{self._path(workflow)}")]

    def park(self) -> "ParkedExecution":
        """Start an execution that parks at a Wait node until a reply comes."""
        return self._portal.call(self._park)

    def flow_at(self, path: str) -> Flow | None:
        """Find the workflow with this path, as the stand-in asks for it."""
        workflow = self._workflows.get(path)
        if workflow is None:
            return None
        if path in self._failures:
            return failing_flow(workflow, self._failures[path])
        return described_flow(workflow, self._answers.get(path))

    def _path(self, name: str) -> str:
        """Return the path of a workflow that is named by it or by its tool.

        Raises:
            LookupError: no server file has such a workflow.
        """
        for path, workflow in self._workflows.items():
            if name in (path, workflow.name):
                return path
        raise LookupError(f"no server file has a workflow {name}: {', '.join(self._workflows)}")

    async def _park(self) -> "ParkedExecution":
        parked = (await self._http.post(f"{self._url}/standin/executions", json={})).json()
        address = f"{self._url}/standin/executions/{parked['id']}"
        return ParkedExecution(parked["replyUrl"], address, self._http, self._portal)


class ParkedExecution:
    """An execution of n8n that waits for Claude's reply at `reply_url`."""

    def __init__(
        self, reply_url: str, address: str, http: httpx2.AsyncClient, portal: BlockingPortal
    ) -> None:
        self.reply_url = reply_url
        self._address = address
        self._http = http
        self._portal = portal

    def answer(self, timeout_s: float = ANSWER_S) -> Json:
        """Wait for the reply with which the execution goes on.

        Raises:
            TimeoutError: none came in time.
        """
        return self._portal.call(self._answer, timeout_s)

    async def _answer(self, timeout_s: float) -> Json:
        async with asyncio.timeout(timeout_s):
            while True:
                stands = (await self._http.get(self._address)).json()
                if stands["status"] == "success":
                    reply: Json = stands["resumed_with"]
                    return reply
                await asyncio.sleep(POLL_S)

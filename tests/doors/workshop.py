"""A server whose workflows are really run: two web processes, a worker, an n8n."""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx2
from pydantic import SecretStr

from bridge.app import BridgeApp
from bridge.configuration.credentials import BearerAuth, Token
from bridge.configuration.servers import Hook, Server, Workflow
from bridge.configuration.settings import Settings
from bridge.mcp.workflow_tools import TASKS_EXTENSION
from bridge.standin.seen import Seen
from bridge.standin.serving import serving as serving_standin
from bridge.standin.standin import Standin
from tests.doors.by_hand import ALICE, BOB, Message, Modern, call, request
from tests.raw_server import RawServer, raw_server
from tests.serving import serving
from tests.waiting import wait_until
from tests.working import working

NAME, HOOK, HOOK_TOKEN = "shop", "confirm", "the-token-of-the-hook"
TAKES_TASKS: Message = {"extensions": {TASKS_EXTENSION: {}}}
TASK_METHODS = ("tasks/get", "tasks/update", "tasks/cancel")


APPROVERS = ("console", "elicitation")
"""Who is asked before the workflows `by_console` and `by_elicitation` are run."""


def shop(n8n_url: str, silent_url: str) -> Server:
    """Describe the server: its workflows take their time, fail, or never end."""
    anything = {"type": "object"}
    urls = {
        "saw": f"{n8n_url}/webhook/slow-tool",
        "break": f"{n8n_url}/webhook/failing-tool",
        "wait": f"{silent_url}/webhook/silent",
        "forgotten": f"{n8n_url}/webhook/slow-tool",
    }
    tokens = {"alice": ALICE, "bob": BOB}
    yes = {"type": "object", "properties": {"yes": {"type": "boolean"}}, "required": ["yes"]}
    return Server(
        name=NAME,
        tokens=tuple(Token(name=name, value=SecretStr(it)) for name, it in tokens.items()),
        hooks={HOOK: Hook(auth=(BearerAuth(token=SecretStr(HOOK_TOKEN)),), reply=yes)},
        workflows={
            name: Workflow(url=url, description="Works.", input=anything, progress=True)
            for name, url in urls.items()
        }
        | {
            f"by_{by}": Workflow.model_validate(
                {
                    "url": urls["saw"],
                    "description": "Asks first.",
                    "input": anything,
                    "answer_inline_for": 0,
                    "approve": "always",
                    "by": by,
                }
            )
            for by in APPROVERS
        },
    )


@dataclass(frozen=True)
class Workshop:
    """What a test has of it; `silent` is an n8n that takes requests and never answers.

    `working` runs a worker while its block lasts.
    """

    origin: str
    other_origin: str
    n8n: Standin
    silent: RawServer
    http: httpx2.AsyncClient
    working: Callable[[], AbstractAsyncContextManager[None]]

    def client(
        self, token: str = ALICE, *, takes_tasks: bool = True, other: bool = False
    ) -> Modern:
        """Return a client of the 2026 wire, at the first web process or the other."""
        capabilities = TAKES_TASKS if takes_tasks else {}
        origin = self.other_origin if other else self.origin
        return Modern(self.http, f"{origin}/mcp/{NAME}", token, capabilities)

    async def start(self, tool: str, **arguments: Any) -> str:
        """Have alice start a task; returns its id."""
        answer = await self.client().post(call(tool, **arguments))
        task_id: str = answer.json()["result"]["taskId"]
        return task_id

    async def ask(self, method: str, task_id: str, **client: Any) -> Message:
        """Send a request about a task; returns its error or result, without the common part."""
        answer = await self.client(**client).post(request(method, taskId=task_id))
        body: Message = answer.json()
        body.get("result", {}).pop("_meta", None)
        return {name: value for name, value in body.items() if name in ("result", "error")}

    async def get(self, task_id: str) -> Message:
        """Return a task as it stands."""
        answer = await self.ask("tasks/get", task_id)
        result: Message = answer["result"]
        return result

    async def end_of(self, task_id: str) -> Message:
        """Wait until a task has ended; give it."""

        async def has_ended() -> bool:
            return bool((await self.get(task_id))["status"] != "working")

        await wait_until(has_ended, f"the end of {task_id}")
        return await self.get(task_id)

    async def sent(self) -> Seen:
        """Wait until n8n has a call; returns the request."""
        await wait_until(self.n8n.seen.of, "a call comes to n8n")
        return self.n8n.seen.of()[-1]

    async def question(self, task_id: str, text: str) -> str:
        """Have the workflow ask in the middle of a call; returns the id of the event."""
        headers = {"authorization": f"Bearer {HOOK_TOKEN}", "bridge-call-id": task_id}
        address = f"{self.origin}/hooks/{NAME}/{HOOK}"
        answer = await self.http.post(address, json=text, headers=headers)
        event_id: str = answer.json()["event_id"]
        return event_id

    async def report(self, progress: float, message: str) -> None:
        """Have the workflow that was sent last tell how far it has come."""
        _, _, address = (await self.sent()).headers["bridge-callback-url"].partition("/callbacks/")
        said = {"progress": progress, "message": message}
        answer = await self.http.post(f"{self.origin}/callbacks/{address}", json=said)
        assert answer.status_code == 200, answer.text


@contextlib.asynccontextmanager
async def open_workshop(
    redis_url: str, *, has_worker: bool = True, **given: Any
) -> AsyncIterator[Workshop]:
    """Run all of it, or all but the worker; `given` are settings."""
    settings = Settings(redis_url=redis_url, **given)
    async with contextlib.AsyncExitStack() as stack:
        n8n = await stack.enter_async_context(Standin(has_control=True))
        n8n_url = await stack.enter_async_context(serving_standin(n8n))
        silent = await stack.enter_async_context(raw_server(answer=None))
        server = shop(n8n_url, silent.url)
        known = {name: it for name, it in server.workflows.items() if name != "forgotten"}
        work = partial(working, settings, server.model_copy(update={"workflows": known}))
        if has_worker:
            await stack.enter_async_context(work())
        web, other_web = [
            await stack.enter_async_context(serving(BridgeApp(settings, {NAME: server})))
            for _ in range(2)
        ]
        http = await stack.enter_async_context(httpx2.AsyncClient(timeout=20))
        yield Workshop(web, other_web, n8n, silent, http, work)

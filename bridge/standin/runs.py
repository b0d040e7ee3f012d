"""What a workflow of the stand-in can do: wait, send requests, park, give a result."""

import asyncio
import math
from dataclasses import dataclass

import httpx2

from bridge.models import Json
from bridge.standin.executions import Execution, Item, WorkflowFailedError

MAX_TRIES = 5


@dataclass(frozen=True)
class Outside:
    """What all runs share: the way out, n8n's pause between tries, the mark of the stand-in."""

    http: httpx2.AsyncClient
    retry_pause_s: float
    answered_by: str | None

    def marked(self, value: dict[str, Json]) -> dict[str, Json]:
        """Report on a tool's answer that no n8n gave it, where people are to see that."""
        return value | ({"answered_by": self.answered_by} if self.answered_by else {})


@dataclass(frozen=True)
class Run:
    """One execution with the item that set it off; `base_url` is the address n8n was called at."""

    execution: Execution
    item: Item
    base_url: str
    outside: Outside

    def argument(self, name: str) -> Json:
        """Read a member of the body, None when there is none."""
        return self.item.body.get(name) if isinstance(self.item.body, dict) else None

    def arguments(self, *names: str) -> dict[str, Json]:
        """Take those members of the body that are there, as `JSON.stringify` would."""
        body = self.item.body if isinstance(self.item.body, dict) else {}
        return {name: body[name] for name in names if name in body}

    @property
    def resume_url(self) -> str:
        """Return `$execution.resumeUrl`."""
        run = self.execution
        return f"{self.base_url}/webhook-waiting/{run.execution_id}?signature={run.signature}"

    def ran(self, node: str, output: Json) -> None:
        """Keep what a node gave out."""
        self.execution.nodes.append((node, output))

    async def wait(self, node: str, seconds: Json) -> None:
        """Play a Wait node for a time interval."""
        amount = number(seconds)
        if not amount >= 0:
            message = "Invalid wait amount. Please enter a number that is 0 or greater."
            raise WorkflowFailedError(message, node)
        await asyncio.sleep(amount)
        self.ran(node, self.item.body)

    async def send(
        self, node: str, url: str, body: Json, headers: dict[str, str] | None = None
    ) -> Json:
        """Play an HTTP Request node: POST, and fail unless the answer is a 2xx."""
        try:
            response = await self.outside.http.post(url, json=body, headers=headers)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise WorkflowFailedError(type(error).__name__, node) from error
        if not response.is_success:
            raise WorkflowFailedError(f"Request failed with status {response.status_code}", node)
        try:
            answer: Json = response.json()
        except ValueError:
            answer = {"data": response.text}
        self.ran(node, answer)
        return answer

    async def send_with_retry(
        self, node: str, url: str, body: Json, headers: dict[str, str]
    ) -> None:
        """Play it with Retry On Fail: any failure counts, and so does a truthy `error` in a 2xx."""
        for left in reversed(range(MAX_TRIES)):
            try:
                answer = await self.send(node, url, body, headers)
            except WorkflowFailedError:
                if not left:
                    raise
            else:
                if not left or not (isinstance(answer, dict) and answer.get("error")):
                    return
            await asyncio.sleep(self.outside.retry_pause_s)


def number(value: Json) -> float:
    """Read a number as n8n's fields do, texts of numbers included; NaN for anything else."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return math.nan
    return float(value) if isinstance(value, int | float) else math.nan

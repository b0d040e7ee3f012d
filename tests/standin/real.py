"""What a real n8n and the stand-in are asked alike, and how their answers compare."""

from dataclasses import dataclass
from typing import Any

import httpx2

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"
STARTED = {"message": "Workflow was started"}
ERROR_IN_WORKFLOW = (500, {"message": "Error in workflow"})
PROBLEM = (500, {"code": 0, "message": "There was a problem executing the workflow"})


@dataclass(frozen=True)
class N8n:
    """A real n8n, or the stand-in."""

    http: httpx2.AsyncClient
    api_key: str

    async def post(self, path: str, body: object) -> httpx2.Response:
        return await self.http.post(path, json=body)


def told(response: httpx2.Response) -> tuple[int, Any]:
    """Return status and JSON body, without the stack traces of an n8n not in production mode."""
    body = response.json()
    if isinstance(body, dict):
        body.pop("stacktrace", None)
    return response.status_code, body


def refusal(status: int, message: str) -> tuple[int, Any]:
    return status, {"code": status, "message": message}

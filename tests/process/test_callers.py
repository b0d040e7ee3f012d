"""Workflows are told who asks, by a token that they can check; nobody else ever sees it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import jwt
from mcp.client import Client
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.bridge_processes import SERVER, TOKEN, Bridge, running_bridge
from tests.claude import Spread, claude, use
from tests.commands import run
from tests.journeys import end_of
from tests.serving import serving_any
from tests.waiting import wait_until

BOB = "the-token-of-bob"


class EchoingN8n:
    """Answers with the headers that it got, as n8n does where a workflow hands on its input."""

    def __init__(self) -> None:
        self.tokens: dict[str, list[str | None]] = {}
        self.calls: dict[str, list[str]] = {}

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/webhook/{tool}", self._run, methods=["POST"])])

    async def _run(self, request: Request) -> Response:
        tool, headers = request.path_params["tool"], dict(request.headers)
        tokens = self.tokens.setdefault(tool, [])
        tokens.append(headers.get("bridge-caller"))
        self.calls.setdefault(tool, []).append(headers["bridge-call-id"])
        if tool == "hanging" and len(tokens) == 1:
            await asyncio.sleep(3600)
        if tool == "fails" or (tool == "repeated" and len(tokens) == 1):
            return JSONResponse({"message": f"wrong: {json.dumps(headers)}"}, 500)
        if tool == "called_back":
            async with httpx2.AsyncClient() as http:
                for said in ({"progress": 0.5, "message": str(headers)}, {"result": headers}):
                    answer = await http.post(headers["bridge-callback-url"], json=said)
                    assert answer.status_code == 200
        return JSONResponse(headers)

    def file(self, url: str) -> dict[str, Any]:
        """Return what a server file says of it."""
        workflow = {"input": {"type": "object"}, "attach": False}
        more: dict[str, dict[str, Any]] = {
            "echo": {},
            "fails": {},
            "repeated": {"annotations": {"idempotent": True}, "retry": {"first": "10ms"}},
            "called_back": {"result": "callback"},
            "hanging": {"annotations": {"idempotent": True}},
            "untold": {"caller": False},
        }
        return {
            "caller": True,
            "tokens": [
                {"name": "alice", "token": "env:PROOF_TOKEN"},
                {"name": "bob", "token": "env:PROOF_BOB_TOKEN"},
            ],
            "workflows": {
                name: {**workflow, "url": f"{url}/webhook/{name}", **said}
                for name, said in more.items()
            },
        }


@asynccontextmanager
async def told(folder: Path, **changes: Any) -> AsyncIterator[tuple[Bridge, EchoingN8n]]:
    n8n = EchoingN8n()
    async with serving_any(n8n.app()) as url:
        changes = n8n.file(url) | changes
        async with running_bridge(folder, changes, PROOF_BOB_TOKEN=BOB) as bridge:
            bridge.n8n_url = url
            yield bridge, n8n


@asynccontextmanager
async def client_of(bridge: Bridge, token: str) -> AsyncIterator[Client]:
    origin = bridge.webs[0].url
    async with claude(SERVER, token, "2026-07-28", Spread([origin]), origin) as client:
        yield client


async def read(bridge: Bridge, token: str | None) -> dict[str, Any]:
    """Verify a token as a workflow would."""
    answer = await bridge.http.get(f"{bridge.webs[0].url}/.well-known/jwks.json")
    assert answer.headers["cache-control"] == "public, max-age=300"
    key = jwt.PyJWKSet.from_dict(answer.json())[jwt.get_unverified_header(token or "")["kid"]]
    issuer = f"http://127.0.0.1:{bridge.environ['BRIDGE_PORT']}"
    claims: dict[str, Any] = jwt.decode(
        token or "", key, ["ES256"], audience=bridge.n8n_url, issuer=issuer
    )
    return claims


async def test_a_workflow_is_told_who_asks_and_can_check_it(tmp_path: Path) -> None:
    async with told(tmp_path) as (bridge, n8n):
        for name, token in (("alice", TOKEN), ("bob", BOB)):
            async with client_of(bridge, token) as client:
                answered = await use(client, "echo")
                claims = await read(bridge, n8n.tokens["echo"][-1])
            assert (claims["server"], claims["name"], claims["workflow"]) == (SERVER, name, "echo")
            assert claims["call_id"] == n8n.calls["echo"][-1]
            assert claims["client"]
            assert answered["bridge-caller"] == "[secret]"


async def test_an_operator_who_runs_a_call_again_is_named_beside_its_principal(
    tmp_path: Path,
) -> None:
    async with told(tmp_path) as (bridge, n8n), client_of(bridge, BOB) as client:
        await use(client, "echo")
        command = ("calls", "run-again", n8n.calls["echo"][0], "--json")
        assert (await run(*command, environ=bridge.environ))[0] == 0
        await wait_until(lambda: len(n8n.tokens["echo"]) == 2, "it has run again")
        claims = await read(bridge, n8n.tokens["echo"][1])

    assert (claims["name"], claims["act"]) == ("bob", {"sub": "operator"})
    assert "client" not in claims


async def test_each_try_has_a_token_of_its_own_and_no_failure_repeats_one(tmp_path: Path) -> None:
    async with told(tmp_path) as (bridge, n8n), client_of(bridge, TOKEN) as client:
        assert (await use(client, "repeated"))["bridge-caller"] == "[secret]"
        first, second = [await read(bridge, token) for token in n8n.tokens["repeated"]]
        failed = await client.call_tool("fails", {})

    assert first["jti"] != second["jti"]
    assert first["call_id"] == second["call_id"]
    assert failed.is_error
    assert "[secret]" in failed.model_dump_json()
    assert str(n8n.tokens["fails"][0]) not in failed.model_dump_json()


async def test_what_is_called_back_repeats_no_token_either(tmp_path: Path) -> None:
    async with told(tmp_path) as (bridge, n8n), client_of(bridge, TOKEN) as client:
        result = await use(client, "called_back")
        shown = json.dumps(await end_of(client, n8n.calls["called_back"][0]))

    assert result["bridge-caller"] == "[secret]"
    assert str(n8n.tokens["called_back"][0]) not in shown


async def test_a_workflow_that_is_not_to_be_told_is_not(tmp_path: Path) -> None:
    async with told(tmp_path) as (bridge, n8n), client_of(bridge, TOKEN) as client:
        assert "bridge-caller" not in await use(client, "untold")

    assert n8n.tokens["untold"] == [None]


async def test_it_is_off_and_no_key_is_made_unless_a_file_says_so(tmp_path: Path) -> None:
    async with told(tmp_path, caller=False) as (bridge, n8n), client_of(bridge, TOKEN) as client:
        await use(client, "echo")
        keys = await bridge.http.get(f"{bridge.webs[0].url}/.well-known/jwks.json")
        listed = await run("keys", "ls", "--json", environ=bridge.environ)

    assert n8n.tokens["echo"] == [None]
    assert keys.status_code == 404
    assert listed == (0, "")

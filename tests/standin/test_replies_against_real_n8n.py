"""The stand-in and a real n8n ask, wait and take replies alike."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2
import pytest

from bridge.n8n.client import N8n as BridgeN8n
from bridge.n8n.outcomes import AgainSoon, Dead, Delivered, Finished, ResumeOutcome
from bridge.n8n.reply_address import ReplyAddress
from tests.raw_server import OK, RawServer, raw_server
from tests.standin.real import ERROR_IN_WORKFLOW, HTML, JSON, PROBLEM, STARTED, N8n, refusal, told
from tests.waiting import wait_until


@dataclass(frozen=True)
class Asked:
    """A run of ask-claude that has asked the bridge, and its caller's answer to come."""

    n8n: N8n
    bridge: RawServer
    answer: asyncio.Task[httpx2.Response]

    @property
    def url(self) -> str:
        return self.bridge.headers["bridge-reply-url"]

    @property
    def execution(self) -> str:
        return self.url.split("/webhook-waiting/")[1].split("/")[0]

    @property
    def parts(self) -> tuple[str, str]:
        """Return the address before the suffix, and the query."""
        path, _, query = self.url.partition("?")
        return path.removesuffix("/reply"), query

    async def parked(self) -> None:
        self.bridge.gate.set()

        async def waits() -> bool:
            return (await self.n8n.http.get(self.url)).status_code == 404

        await wait_until(waits, "the execution has parked")


@asynccontextmanager
async def asked(n8n: N8n) -> AsyncIterator[Asked]:
    """Run ask-claude until the bridge has its question; n8n waits for the bridge's answer."""
    async with raw_server(OK, closes=True) as bridge:
        bridge.gate.clear()
        question = {"port": bridge.port, "token": "tok", "question": "q?", "from": "me"}
        answer = asyncio.create_task(n8n.post("/webhook/ask-claude", question))
        await wait_until(lambda: bridge.requests, "the question is there")
        yield Asked(n8n, bridge, answer)
        bridge.gate.set()
        answer.cancel()


async def test_ask_claude_asks_the_bridge(n8n: N8n) -> None:
    async with asked(n8n) as run:
        assert run.bridge.requests[0].startswith(b"POST /hooks/demo/question HTTP/1.1\r\n")
        assert json.loads(run.bridge.body) == {"question": "q?", "from": "me"}
        headers = run.bridge.headers
        assert headers["authorization"] == "Bearer tok"
        assert headers["idempotency-key"] == f"n8n_bridgeAskClaude1_{run.execution}_0"
        path, _, signature = run.url.partition("?signature=")
        base_url = str(n8n.http.base_url).rstrip("/")
        assert path == f"{base_url}/webhook-waiting/{run.execution}/reply"
        assert len(bytes.fromhex(signature)) == 32
        assert (headers["user-agent"], headers["connection"]) == ("n8n", "close")
        await run.parked()
        await n8n.post(run.url, {})
        await run.answer


async def test_a_reply_before_the_wait_node_meets_a_running_execution(n8n: N8n) -> None:
    async with asked(n8n) as run:
        running = refusal(409, f'The execution "{run.execution}" is running already.')
        assert told(await n8n.post(run.url, {})) == running
        await run.parked()
        assert told(await n8n.post(run.url, {})) == (200, STARTED)
        await run.answer


async def test_a_reply_needs_the_signature_the_suffix_and_the_method(n8n: N8n) -> None:
    async with asked(n8n) as run:
        await run.parked()
        base, query = run.parts
        invalid = (401, {"error": "Invalid token"})
        assert told(await n8n.post(f"{base}/reply", {})) == invalid
        assert told(await n8n.post(f"{base}/reply?signature={'0' * 64}", {})) == invalid
        no_wait = refusal(
            404,
            f'The workflow for execution "{run.execution}" does not contain a waiting webhook '
            "with a matching path/method.",
        )
        assert told(await n8n.post(f"{base}?{query}", {})) == no_wait
        assert told(await n8n.post(f"{base}/other?{query}", {})) == no_wait
        assert told(await n8n.http.get(run.url)) == no_wait
        bad = {"content": b"{bad", "headers": {"content-type": "application/json"}}
        assert (await n8n.http.post(run.url, **bad)).status_code == 422  # type: ignore[arg-type] # the same keywords
        assert told(await n8n.post(run.url, {"a": "a" * 17_000_000})) == PROBLEM
        assert told(await n8n.post(run.url, {"b": 1})) == (200, STARTED)
        assert told(await run.answer) == (200, {"b": 1})


async def test_the_suffix_may_stand_behind_the_signature(n8n: N8n) -> None:
    async with asked(n8n) as run:
        await run.parked()
        base, query = run.parts
        assert told(await n8n.post(f"{base}?{query}/reply", {"a": 1})) == (200, STARTED)
        assert told(await run.answer) == (200, {"a": 1})


async def test_a_reply_after_the_end_is_told_so(n8n: N8n) -> None:
    async with asked(n8n) as run:
        await run.parked()
        await n8n.post(run.url, {})
        await run.answer
        finished = refusal(409, f'The execution "{run.execution} has finished already.')

        async def is_over() -> bool:
            return told(await n8n.post(run.url, {})) == finished

        await wait_until(is_over, "the execution has finished")
        base, query = run.parts
        assert told(await n8n.post(f"{base}?{query}", {})) == finished
        assert (await n8n.post(f"{base}?signature=0", {})).status_code == 401


async def test_of_two_replies_at_once_one_wins_and_one_is_a_problem(
    n8n: N8n, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.standin.waiting.LOADING_S", 0.3)  # so that they do meet
    async with asked(n8n) as run:
        await run.parked()
        replies = await asyncio.gather(*(n8n.post(run.url, {"n": n}) for n in range(2)))
        answers = [told(reply) for reply in replies]
        assert sorted(status for status, _ in answers) == [200, 500]
        assert PROBLEM in answers
        winner = answers.index((200, STARTED))
        assert told(await run.answer) == (200, {"n": winner})


@pytest.mark.parametrize(
    ("reply", "content_type", "answer"),
    [
        ({"x": "é"}, JSON, '{"x":"é"}'),
        ([1, 2], JSON, "[1,2]"),
        (42, JSON, "42"),
        (True, JSON, "true"),
        (None, JSON, "{}"),
        ("", JSON, "{}"),
        ("hello", HTML, "hello"),
        ({"error": "soft"}, JSON, '{"error":"soft"}'),
    ],
)
async def test_the_reply_becomes_the_answer(
    n8n: N8n, reply: object, content_type: str, answer: str
) -> None:
    async with asked(n8n) as run:
        await run.parked()
        body = json.dumps(reply)
        headers = {"content-type": "application/json"}
        await n8n.http.post(run.url, content=body, headers=headers)
        response = await run.answer
        assert (response.status_code, response.text) == (200, answer)
        assert response.headers["content-type"] == content_type


async def test_no_execution_is_no_secret(n8n: N8n) -> None:
    unknown = refusal(404, 'The execution "999999999" does not exist.')
    assert told(await n8n.post("/webhook-waiting/999999999/reply", {})) == unknown


async def test_a_bridge_that_fails_is_asked_five_times(n8n: N8n) -> None:
    failing = OK.replace(b"200 OK", b"503 Service Unavailable")
    async with raw_server(failing, closes=True) as bridge:
        response = await n8n.post("/webhook/ask-claude", {"port": bridge.port, "question": "q"})
        assert told(response) == ERROR_IN_WORKFLOW
        keys = [line for request in bridge.requests for line in request.lower().split(b"\r\n")]
        assert len(bridge.requests) == 5
        assert len({line for line in keys if line.startswith(b"idempotency-key")}) == 1


async def test_a_truthy_error_in_a_2xx_is_asked_again_and_then_taken(n8n: N8n) -> None:
    soft = b'{"error":"soft"}'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n"
    async with raw_server(head + soft, closes=True) as bridge:
        question = {"port": bridge.port, "question": "q"}
        task = asyncio.create_task(n8n.post("/webhook/ask-claude", question))
        await wait_until(lambda: len(bridge.requests) == 5, "it was asked five times", 20)
        run = Asked(n8n, bridge, task)
        await run.parked()
        assert told(await n8n.post(run.url, {"a": 1})) == (200, STARTED)
        assert told(await task) == (200, {"a": 1})


async def test_the_bridge_delivers_a_reply_and_knows_when_it_cannot(n8n: N8n) -> None:
    async with asked(n8n) as run, BridgeN8n() as bridge:

        async def resume(url: str) -> ResumeOutcome:
            origin = str(n8n.http.base_url).rstrip("/")
            address = ReplyAddress(origin, url.removeprefix(origin))
            return await bridge.resume(address, {"a": 1}, event_id="evt_1")

        base, query = run.parts
        assert isinstance(await resume(run.url), AgainSoon)
        await run.parked()
        assert isinstance(await resume(f"{base}/reply"), Dead)
        assert isinstance(await resume(f"{base}/other?{query}"), Finished)
        assert await resume(f"{base}?{query}/reply") == Delivered()
        assert told(await run.answer) == (200, {"a": 1})

        async def is_over() -> bool:
            return isinstance(await resume(run.url), Finished)

        await wait_until(is_over, "the execution has finished")

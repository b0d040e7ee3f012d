"""Sends requests to a hook and judges each answer by the document that the bridge ships."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx2
import jsonschema_rs
from hypothesis import HealthCheck, Phase, given, settings
from redis.asyncio import Redis

from bridge.app import BridgeApp
from bridge.configuration.servers import Server
from bridge.configuration.settings import Settings
from bridge.web.openapi import DOCUMENT
from tests.fuzz.requests import HOOKS, N8N, Request, requests
from tests.serving import serving

MAX_BODY_BYTES = 20_000
OPENAPI: dict[str, Any] = json.loads(DOCUMENT)
ANSWERS = OPENAPI["paths"]["/hooks/{server}/{hook}"]["post"]["responses"]
FUZZED = Server.model_validate({"name": "fuzzed", "hooks": HOOKS})


class Judge:
    """Judges one request after the other; `seen` counts the answers by their status."""

    def __init__(self, http: httpx2.AsyncClient, redis: Redis) -> None:
        self._http = http
        self._redis = redis
        self.seen: Counter[int] = Counter()

    async def judge(self, request: Request) -> None:
        """Send a request: its answer must be in the document, and stored only what was accepted."""
        before = await self._stored()
        headers = [(name.encode(), value) for name, value in request.headers.items()]
        response = await self._http.request(
            request.method, request.path, headers=headers, content=request.content
        )
        stored = await self._stored() - before
        self.seen[response.status_code] += 1
        assert response.status_code < 500, response.text
        if request.method == "POST":
            described(response)
        if response.status_code == 202:
            assert stored["event"] == 1
        else:
            assert stored.total() == 0, stored
        if response.is_success:
            assert not response.json().get("error")

    async def _stored(self) -> Counter[str]:
        """Count what is on record: all keys, and the events that are queued."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.dbsize()
        for hook in HOOKS:
            pipe.zcard(f"{{bridge}}:inbox:fuzzed:{hook}:queued")
        keys, *queued = await pipe.execute()
        return Counter(key=keys, event=sum(queued))


def described(response: httpx2.Response) -> None:
    """Check that the document has this answer, in this form."""
    answer = resolved(ANSWERS[str(response.status_code)])
    media_type = response.headers["content-type"]
    schema = answer["content"][media_type]["schema"]
    whole = {"components": OPENAPI["components"], **schema}
    jsonschema_rs.validate(whole, response.json(), offline=True)
    for header in answer.get("headers", {}):
        assert header == "Preference-Applied" or header in response.headers


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference within the document."""
    found: Any = OPENAPI if "$ref" in part else part
    for name in part.get("$ref", "").removeprefix("#/").split("/") if "$ref" in part else ():
        found = found[name]
    result: dict[str, Any] = found
    return result


@asynccontextmanager
async def judging(redis_url: str) -> AsyncIterator[Judge]:
    """Serve the hooks while the block lasts."""
    chosen = Settings(redis_url=redis_url, n8n_url=N8N, max_body_bytes=MAX_BODY_BYTES)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(serving(BridgeApp(chosen, {FUZZED.name: FUZZED})))
        http = await stack.enter_async_context(httpx2.AsyncClient(base_url=url, timeout=30))
        redis = await stack.enter_async_context(Redis.from_url(redis_url))
        yield Judge(http, redis)


def fuzz(redis_url: str, count: int) -> Counter[int]:
    """Send `count` requests in turn; returns how many were answered with each status."""
    with asyncio.Runner() as runner:
        opened = judging(redis_url)
        judge = runner.run(opened.__aenter__())

        @settings(
            max_examples=count,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(requests())
        def send(request: Request) -> None:
            runner.run(judge.judge(request))

        try:
            send()
        finally:
            runner.run(opened.__aexit__(None, None, None))
    return judge.seen

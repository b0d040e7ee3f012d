"""HTTP to n8n: runs workflows, resumes waiting executions, reads its API."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Self
from urllib.parse import quote

import httpx2

from bridge import __version__
from bridge.configuration.servers import Workflow
from bridge.errors import MalformedError, TooLargeError, UnsupportedMediaError
from bridge.formats.bodies import decoded
from bridge.formats.json_text import encode, off_loop
from bridge.models import Json
from bridge.n8n.authorization import authorization, fixed_headers
from bridge.n8n.connections import Connections, FreshConnection
from bridge.n8n.execution_answers import read_execution_answer
from bridge.n8n.failures import unasked, undelivered, unreachable
from bridge.n8n.outcomes import (
    AskAgain,
    ExecutionOutcome,
    Refused,
    ResumeOutcome,
    RunOutcome,
    StillRunning,
    Unknown,
)
from bridge.n8n.reply_address import ReplyAddress
from bridge.n8n.resume_answers import read_resume_answer
from bridge.n8n.webhook_answers import read_webhook_answer
from bridge.net.vanishing import WATCHED

MAX_RESPONSE_BYTES = 16 * 1024 * 1024
CONNECT_MAX_S = 10.0
RESUME_MAX_S = 30.0
LOOK_MAX_S = 30.0
# Node closes an idle connection after 5 s: one reused later than that may break under the request.
KEPT_IDLE_S = 2.0
KEPT_IDLE_MAX = 100
NO_ANSWER = (httpx2.InvalidURL, httpx2.RequestError, TimeoutError)


@dataclass(frozen=True, slots=True)
class WorkflowRequest:
    """What one attempt to run a workflow tells n8n.

    `callback_url`, and `caller`, which proves who asks, go along only when given.
    """

    workflow: Workflow
    arguments: Mapping[str, Json]
    call_id: str
    traceparent: str
    callback_url: str | None = None
    caller: str | None = None


MarkSent = Callable[[], Awaitable[bool]]
"""Puts on record that the first byte is about to leave; False where none may."""


async def _always() -> bool:
    return True


@dataclass(frozen=True)
class _Response:
    status: int
    content_type: str
    body: bytes
    is_cut: bool
    is_zipped: bool
    disposition: str


class N8n:
    """Speaks HTTP to any number of n8n instances; use it as an async context manager.

    On purpose:
    1. Bare transports, not a client: no redirect is followed, no cookie kept, no proxy taken from
       the environment, and no address logged.
    2. A workflow that is not idempotent gets a connection of its own, for a reused one that n8n
       has just closed leaves open whether the workflow ran.
    """

    def __init__(self, max_response_bytes: int = MAX_RESPONSE_BYTES) -> None:
        self._max_response_bytes = max_response_bytes
        trust = httpx2.create_ssl_context()
        trust.set_alpn_protocols(["http/1.1"])
        self._fresh = Connections(trust)
        self._kept = httpx2.AsyncHTTPTransport(
            verify=trust,
            limits=httpx2.Limits(
                max_connections=None,
                max_keepalive_connections=KEPT_IDLE_MAX,
                keepalive_expiry=KEPT_IDLE_S,
            ),
            socket_options=WATCHED,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._fresh.aclose()
        await self._kept.aclose()

    def spare(self, workflow: Workflow) -> FreshConnection | None:
        """Take a connection that is there already for a call of this workflow, if there is one.

        Whoever takes it hands it to `run_workflow`, or closes it. Idempotent workflows need none.
        """
        with contextlib.suppress(httpx2.InvalidURL):
            if not workflow.annotations.idempotent:
                return self._fresh.take(_parsed(workflow.url))
        return None

    async def run_workflow(
        self,
        asked: WorkflowRequest,
        timeout_s: float,
        mark_sent: MarkSent = _always,
        spare: FreshConnection | None = None,
    ) -> RunOutcome | None:
        """Make one attempt to run a workflow, within `timeout_s` from connecting to the last byte.

        Where `mark_sent` says that no byte may leave, nothing is sent, and there is no outcome.
        """
        now = asyncio.get_running_loop().time
        until = now() + timeout_s
        try:
            request = workflow_request(asked)
            way = self._kept if asked.workflow.annotations.idempotent else spare
            del asked
            async with self._connected(way, request.url, timeout_s, mark_sent) as connected:
                if connected is None:
                    return None
                exchange = self._exchange(connected, request, until - now())
                del request  # n8n may take days: what was sent is not kept until then
                response = await exchange
        except NO_ANSWER as failure:
            return unreachable(failure)
        if response.status < 300 and (flaw := self._flaw_of(response)):
            return Refused(flaw)
        return await off_loop(
            len(response.body),
            lambda: read_webhook_answer(
                response.status, response.content_type, response.body, response.disposition
            ),
        )

    def _flaw_of(self, response: _Response) -> str | None:
        """Return why the answer of a workflow that ran cannot be read."""
        if response.is_cut:
            return (
                f"the workflow ran, but its answer is longer than "
                f"{self._max_response_bytes} bytes: let it answer with less, or with a link"
            )
        if response.is_zipped:
            return (
                "the workflow ran, but its answer is packed so that it cannot be read "
                "(Content-Encoding): let it answer without that, or with gzip"
            )
        return None

    async def resume(
        self, address: ReplyAddress, value: Json, *, event_id: str, timeout_s: float = RESUME_MAX_S
    ) -> ResumeOutcome:
        """Make one attempt to hand a reply to the execution that waits at `address`."""
        try:
            request = resume_request(address, value, event_id)
            response = await self._exchange(self._kept, request, min(timeout_s, RESUME_MAX_S))
        except NO_ANSWER as failure:
            return undelivered(failure)
        return read_resume_answer(response.status, response.content_type, response.body)

    async def look_at(self, base_url: str, api_key: str, execution: str) -> ExecutionOutcome:
        """Ask n8n's API how an execution stands, and for its output once it has ended."""
        outcome = await self._look(execution_request(base_url, api_key, execution))
        if isinstance(outcome, StillRunning | AskAgain | Unknown):
            return outcome
        return await self._look(execution_request(base_url, api_key, execution, with_data=True))

    async def _look(self, request: httpx2.Request) -> ExecutionOutcome:
        try:
            response = await self._exchange(self._kept, request, LOOK_MAX_S)
        except NO_ANSWER as failure:
            return unasked(failure)
        if response.is_cut:
            return Unknown(
                f"the workflow ran, but n8n keeps more than {self._max_response_bytes} bytes of "
                "it: let it call back with its result, or keep less"
            )
        return await off_loop(
            len(response.body),
            lambda: read_execution_answer(response.status, response.content_type, response.body),
        )

    @contextlib.asynccontextmanager
    async def _connected(
        self,
        way: httpx2.AsyncBaseTransport | None,
        url: httpx2.URL,
        timeout_s: float,
        mark_sent: MarkSent,
    ) -> AsyncIterator[httpx2.AsyncBaseTransport | None]:
        """Connect if need be, and then have on record that a request goes out; None if it may not.

        Where that took so long that n8n may have hung up, the connection is made anew.
        """
        if way is self._kept:
            yield way if await mark_sent() else None
            return
        self._fresh.make_one_for_next(url)
        connect_s = _connect_s(timeout_s)
        async with way or await self._fresh.open(url, connect_s) as first:
            if not await mark_sent():
                yield None
            elif not (isinstance(first, FreshConnection) and first.is_stale):
                yield first
            else:
                async with await self._fresh.open(url, connect_s) as second:
                    yield second

    async def _exchange(
        self, transport: httpx2.AsyncBaseTransport, request: httpx2.Request, timeout_s: float
    ) -> _Response:
        connect_s = _connect_s(timeout_s)
        request.extensions["timeout"] = {"connect": connect_s, "pool": connect_s}
        exchange = transport.handle_async_request(request)
        del request
        async with asyncio.timeout(timeout_s):
            response = await exchange
            try:
                body, is_cut = await self._read(response)
            finally:
                await response.aclose()
            is_zipped = False
            try:
                if coding := response.headers.get("content-encoding", ""):
                    body = await decoded(body, coding, self._max_response_bytes)
            except TooLargeError:
                is_cut = True
            except (MalformedError, UnsupportedMediaError):
                is_zipped = True
        content_type = response.headers.get("content-type", "")
        disposition = response.headers.get("content-disposition", "")
        return _Response(response.status_code, content_type, body, is_cut, is_zipped, disposition)

    async def _read(self, response: httpx2.Response) -> tuple[bytes, bool]:
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > self._max_response_bytes:
                return bytes(body[: self._max_response_bytes]), True
        return bytes(body), False


def _connect_s(timeout_s: float) -> float:
    """Return how long connecting may take: a connection never made is told from a late answer."""
    return min(CONNECT_MAX_S, timeout_s / 2)


WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
FIXED_HEADERS = {
    # n8n's API says nothing to a "bot", and a Webhook node that ignores bots takes every bare
    # "name/version" for one.
    "User-Agent": f"n8n-claude-bridge/{__version__} (webhook)",
    "Accept": "*/*",
    # What arrives is then as long as what is counted.
    "Accept-Encoding": "identity",
}


def workflow_request(asked: WorkflowRequest) -> httpx2.Request:
    """Write one attempt to run a workflow; all attempts of a call carry one Idempotency-Key.

    Raises:
        httpx2.InvalidURL: the workflow's address is none.
    """
    workflow = asked.workflow
    headers = {
        **fixed_headers(workflow.headers),
        **(authorization(workflow.auth) if workflow.auth else {}),
        "Idempotency-Key": asked.call_id,
        "Bridge-Call-Id": asked.call_id,
        "traceparent": asked.traceparent,
    }
    if asked.callback_url is not None:
        headers["Bridge-Callback-Url"] = asked.callback_url
    if asked.caller is not None:
        headers["Bridge-Caller"] = asked.caller
    url = _parsed(workflow.url)
    if workflow.method in WITH_BODY:
        return _request(workflow.method, url, headers, encode(asked.arguments))
    return _request(workflow.method, url.copy_merge_params(_query(asked.arguments)), headers, None)


def resume_request(address: ReplyAddress, value: Json, event_id: str) -> httpx2.Request:
    """Write one attempt to hand a reply to the execution that waits at `address`.

    The request target is sent byte for byte: n8n takes addresses that are not well formed, such as
    `?signature=TOKEN/suffix`.

    Raises:
        httpx2.InvalidURL: the origin is none.
    """
    body = encode(value)
    request = _request("POST", httpx2.URL(address.origin), {"Idempotency-Key": event_id}, body)
    request.extensions["target"] = address.target.encode()
    return request


def execution_request(
    base_url: str, api_key: str, execution: str, *, with_data: bool = False
) -> httpx2.Request:
    """Write a question to n8n's API how an execution stands; what its nodes gave comes if asked."""
    asked = "?includeData=true" if with_data else ""
    url = f"{base_url.rstrip('/')}/api/v1/executions/{quote(execution, safe='')}{asked}"
    return _request("GET", httpx2.URL(url), {"X-N8N-API-KEY": api_key}, None)


@lru_cache(maxsize=1024)
def _parsed(url: str) -> httpx2.URL:
    """Parse the address of a workflow, of which there are only so many."""
    return httpx2.URL(url)


def _request(
    method: str, url: httpx2.URL, headers: Mapping[str, str], body: bytes | None
) -> httpx2.Request:
    kind = {} if body is None else {"Content-Type": "application/json"}
    written = {**FIXED_HEADERS, **kind, **headers}
    encoded = [(name.encode(), value.encode()) for name, value in written.items()]
    return httpx2.Request(method, url, headers=encoded, content=body)


def _query(arguments: Mapping[str, Json]) -> httpx2.QueryParams:
    """Write arguments as a query: lists as repeated members, nested values as JSON, no nulls."""
    pairs = (
        (name, item)
        for name, value in arguments.items()
        for item in (value if isinstance(value, list) else [value])
        if item is not None
    )
    return httpx2.QueryParams(
        [(name, item if isinstance(item, str) else encode(item).decode()) for name, item in pairs]
    )

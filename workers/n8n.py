"""The bridge's outbound HTTP to n8n: runs workflows, resumes waiting executions."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx2

from bridge.codings import decoded
from bridge.errors import MalformedError, TooLargeError, UnsupportedMediaError
from bridge.models import Json
from bridge.outcomes import (
    AskAgain,
    ExecutionOutcome,
    Refused,
    ResumeOutcome,
    UnderWay,
    Unknown,
    WebhookOutcome,
)
from bridge.reply_address import ReplyAddress
from bridge.servers import Workflow
from workers.answers import read_webhook_answer
from workers.executions import read_execution_answer
from workers.n8n_request import execution_request, resume_request, workflow_request
from workers.resumes import read_resume_answer
from workers.unreachable import unasked, undelivered, unreachable

MAX_RESPONSE_BYTES = 16 * 1024 * 1024
CONNECT_MAX_S = 10.0
RESUME_MAX_S = 30.0
LOOK_MAX_S = 30.0
# Node closes an idle connection after 5 s: one reused later than that may break under the request.
KEPT_IDLE_S = 2.0
KEPT_IDLE_MAX = 100
ONE_REQUEST = httpx2.Limits(max_connections=1, max_keepalive_connections=0)
NO_ANSWER = (httpx2.InvalidURL, httpx2.RequestError, TimeoutError)


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
       has just closed leaves open whether the workflow ran. It gets a pool of its own with it: a
       shared one is searched from end to end for every request, at a thousand a thousand times.
    """

    def __init__(self, max_response_bytes: int = MAX_RESPONSE_BYTES) -> None:
        self._max_response_bytes = max_response_bytes
        self._context = httpx2.create_ssl_context()
        self._kept = httpx2.AsyncHTTPTransport(
            verify=self._context,
            limits=httpx2.Limits(
                max_connections=None,
                max_keepalive_connections=KEPT_IDLE_MAX,
                keepalive_expiry=KEPT_IDLE_S,
            ),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._kept.aclose()

    async def run_workflow(
        self,
        workflow: Workflow,
        *,
        arguments: Mapping[str, Json],
        call_id: str,
        traceparent: str,
        timeout_s: float,
        callback_url: str | None = None,
    ) -> WebhookOutcome:
        """Make one attempt to run a workflow, within `timeout_s` from connecting to the last byte.

        `callback_url` goes along only when given.
        """
        try:
            request = workflow_request(workflow, arguments, call_id, traceparent, callback_url)
            async with self._transport(workflow) as transport:
                response = await self._exchange(transport, request, timeout_s)
        except NO_ANSWER as failure:
            return unreachable(failure)
        if response.is_cut and response.status < 300:
            return Refused(
                f"the workflow ran, but its answer is longer than "
                f"{self._max_response_bytes} bytes: let it answer with less, or with a link"
            )
        if response.is_zipped and response.status < 300:
            return Refused(
                "the workflow ran, but its answer is packed so that it cannot be read "
                "(Content-Encoding): let it answer without that, or with gzip"
            )
        return read_webhook_answer(
            response.status, response.content_type, response.body, response.disposition
        )

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
        if isinstance(outcome, UnderWay | AskAgain | Unknown):
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
        return read_execution_answer(response.status, response.content_type, response.body)

    @contextlib.asynccontextmanager
    async def _transport(self, workflow: Workflow) -> AsyncIterator[httpx2.AsyncHTTPTransport]:
        if workflow.annotations.idempotent:
            yield self._kept
        else:
            async with httpx2.AsyncHTTPTransport(verify=self._context, limits=ONE_REQUEST) as own:
                yield own

    async def _exchange(
        self, transport: httpx2.AsyncHTTPTransport, request: httpx2.Request, timeout_s: float
    ) -> _Response:
        # The inner limit ends first, so that a connection never made is told from a late answer.
        connect_s = min(CONNECT_MAX_S, timeout_s / 2)
        request.extensions["timeout"] = {"connect": connect_s, "pool": connect_s}
        async with asyncio.timeout(timeout_s):
            response = await transport.handle_async_request(request)
            try:
                body, is_cut = await self._read(response)
            finally:
                await response.aclose()
            is_zipped = False
            try:
                coding = response.headers.get("content-encoding", "")
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

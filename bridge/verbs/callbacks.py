"""The verbs of callbacks: what a running workflow says of itself, from outside."""

import logging
from collections.abc import Mapping

from bridge.configuration.servers import Server, Workflow
from bridge.errors import ConflictError, NotFoundError, UnprovenError
from bridge.formats.json_text import encode
from bridge.models import Call, CallId, CallStatus, Json
from bridge.n8n.outcomes import cut_words
from bridge.n8n.scrub import scrub, scrub_text, secrets_sent
from bridge.schemas.cache import SchemaCache
from bridge.store.calls import CallStore

logger = logging.getLogger(__name__)


class Callbacks:
    """Decides what becomes of what n8n posts to a call's own address."""

    def __init__(
        self, store: CallStore, schemas: SchemaCache, servers: Mapping[str, Server]
    ) -> None:
        self._store = store
        self._schemas = schemas
        self._servers = servers

    async def demand(self, call_id: str, secret: str) -> None:
        """Let pass who has a call's own token, before anything that they send is read.

        Raises:
            UnprovenError: no such call, or not its token.
        """
        if not await self._store.proves(CallId(call_id), secret):
            raise UnprovenError("no such call")

    async def report(self, call_id: str, secret: str, progress: float, message: str) -> CallStatus:
        """Note a running call's progress, 0 to 1.

        Raises:
            NotFoundError: no such call, or not its token.
            ConflictError: the call has ended.
        """
        call, workflow = await self._call(call_id, secret)
        clean = scrub_text(message, [*secrets_sent(workflow), secret])
        return _taken(*await self._store.report(call.call_id, secret, progress, clean))

    async def succeed(self, call_id: str, secret: str, value: Json) -> CallStatus:
        """End a call with its result; the same result again changes nothing.

        Raises:
            InvalidError: the result breaks the workflow's output schema.
        """
        call, workflow = await self._call(call_id, secret)
        broken = "the result breaks the tool's output schema"
        await self._schemas.check(workflow.output, value, broken)
        clean = scrub(value, [*secrets_sent(workflow), secret])
        return await self._conclude(call, secret, CallStatus.SUCCEEDED, result=encode(clean))

    async def fail(self, call_id: str, secret: str, reason: str) -> CallStatus:
        """End a call with the reason why it failed; the same reason again changes nothing."""
        call, workflow = await self._call(call_id, secret)
        clean = cut_words(scrub_text(reason, [*secrets_sent(workflow), secret]))
        return await self._conclude(call, secret, CallStatus.FAILED, failure=clean)

    async def _conclude(
        self,
        call: Call,
        secret: str,
        status: CallStatus,
        *,
        result: bytes = b"",
        failure: str = "",
    ) -> CallStatus:
        told = await self._store.conclude(
            call.call_id, secret, status, result=result, failure=failure
        )
        ended = _taken(*told)
        logger.info(
            "call.concluded",
            extra={
                "call_id": call.call_id,
                "server": call.principal.server,
                "tool": call.workflow,
                "status": ended,
                "duration_ms": call.age_ms,
            },
        )
        return ended

    async def _call(self, call_id: str, secret: str) -> tuple[Call, Workflow]:
        """Find a call and its workflow, for none but the call's own token."""
        is_own = await self._store.proves(CallId(call_id), secret)
        call = await self._store.read(CallId(call_id)) if is_own else None
        server = self._servers.get(call.principal.server) if call else None
        workflow = server.workflows.get(call.workflow) if server and call else None
        if call is None or workflow is None:
            raise UnprovenError("no such call")
        return call, workflow


def _taken(outcome: str, status: str) -> CallStatus:
    if outcome == "unknown":
        raise NotFoundError("no such call")
    if outcome == "ended":
        raise ConflictError(f"the call is {status} and takes no more callbacks")
    return CallStatus(status)

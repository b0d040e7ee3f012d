"""Running again as new: the same call or payload, edited or not, as a record of its own."""

import secrets
from collections.abc import Mapping
from dataclasses import replace

from bridge.configuration.servers import Hook, Server, Workflow
from bridge.errors import MalformedError, NotFoundError
from bridge.formats.json_text import decode, encode, off_loop, spell
from bridge.formats.payloads import Content
from bridge.models import Body, Call, CallId, Event, EventId, Json, new_call_id
from bridge.queue import Queue
from bridge.schemas.checks import SchemaCache
from bridge.store.again import AgainStore
from bridge.store.new_calls import NewCall
from bridge.verbs.approvals import to_approve
from bridge.verbs.calls import target_of
from bridge.verbs.intake import Incoming, Intake

GONE = "it is no longer on record"


class RunningAgain:
    """Decides what is run again; each check is that of the servers as they are now."""

    def __init__(
        self, store: AgainStore, intake: Intake, schemas: SchemaCache, queue: Queue
    ) -> None:
        self._store = store
        self._intake = intake
        self._schemas = schemas
        self._queue = queue

    async def arguments(self, call_id: str) -> Json:
        """Return what a call was made with.

        Raises:
            NotFoundError: there is no such call.
        """
        arguments: Json = decode((await self._call(call_id)).arguments)
        return arguments

    async def payload(self, event_id: str) -> Json:
        """Return what an event brought.

        Raises:
            NotFoundError: there is no such event.
        """
        _, body = await self._event(event_id)
        return await _value_of(body)

    async def run_call(
        self,
        call_id: str,
        by: str,
        servers: Mapping[str, Server],
        ttl_s: int,
        arguments: dict[str, Json] | None = None,
        new_id: CallId | None = None,
    ) -> Call:
        """Run a call again for its principal, with other arguments where some are given.

        It joins no other call, and none joins it; its result is kept though nobody waits for it.
        With the `new_id` of one that has been run again so, it is that one. Where the workflow
        must be approved, somebody is asked anew.

        Raises:
            NotFoundError: the call, or its workflow, is not there any more.
            InvalidError: the arguments break the workflow's input schema as it is now.
        """
        earlier = await self._call(call_id)
        workflow = _workflow_of(earlier, servers)
        given = decode(earlier.arguments) if arguments is None else arguments
        broken = "the arguments break this tool's input schema"
        await self._schemas.check(workflow.input, given, broken)
        server = earlier.principal.server
        new = _new_call(earlier, workflow, encode(given), ttl_s)
        approval = await to_approve(self._schemas, server, workflow, new.arguments)
        asker = spell({"operator": by}) if workflow.caller else ""
        new = replace(new, call_id=new_id or new.call_id, to_approve=approval, asker=asker)
        hint = target_of(server, workflow.name)
        waking = None if approval else self._queue.waking("run_call", new.call_id, hint)
        call = await self._store.call(earlier.call_id, by, new, waking)
        if call is None:
            raise NotFoundError(GONE)
        return call

    async def run_event(
        self,
        event_id: str,
        by: str,
        servers: Mapping[str, Server],
        edited: Content | None = None,
        new_id: EventId | None = None,
    ) -> Event:
        """Bring an event's payload again to its hook, or another in its place.

        Nobody in n8n waits for the answer, which is kept with the event: whoever sent the first one
        has been answered, or has given up. With the `new_id` of one that was made so, it is that.

        Raises:
            NotFoundError: the event, or its hook, is not there any more.
            InvalidError: the payload breaks the hook's schema as it is now.
        """
        earlier, body = await self._event(event_id)
        server, hook = _hook_of(earlier, servers)
        content = edited or Content(await _value_of(body), body)
        incoming = Incoming(content, kept=earlier.kept)
        new = await self._intake.anew(server, hook, incoming)
        new = replace(new, execution=earlier.execution, event_id=new_id or new.event_id)
        return await self._store.event(earlier.event_id, by, new, has_files=edited is None)

    async def _call(self, call_id: str) -> Call:
        call = await self._store.earlier_call(CallId(call_id))
        if call is None:
            raise NotFoundError("no such call")
        return call

    async def _event(self, event_id: str) -> tuple[Event, Body]:
        found = await self._store.earlier_event(EventId(event_id))
        if found is None:
            raise NotFoundError("no such event")
        return found


async def _value_of(body: Body) -> Json:
    value: Json = await off_loop(len(body.content), lambda: decode(body.content))
    return value


def _new_call(earlier: Call, workflow: Workflow, arguments: bytes, ttl_s: int) -> NewCall:
    return NewCall(
        call_id=new_call_id(),
        principal=earlier.principal,
        workflow=workflow.name,
        arguments=arguments,
        max_attempts=workflow.retry.attempts,
        idempotent=workflow.annotations.idempotent,
        ttl_s=ttl_s,
        promised=True,
        secret=secrets.token_urlsafe(24),
        concurrency=workflow.concurrency,
        rate=workflow.rate,
        share=workflow.per.principal if workflow.per else None,
        timeout_s=workflow.timeout_s,
    )


def _workflow_of(call: Call, servers: Mapping[str, Server]) -> Workflow:
    server = servers.get(call.principal.server)
    workflow = server.workflows.get(call.workflow) if server else None
    if workflow is None:
        place = f"{call.principal.server}/{call.workflow}"
        raise NotFoundError(f"no server file has the workflow {place} any more")
    return workflow


def _hook_of(event: Event, servers: Mapping[str, Server]) -> tuple[Server, Hook]:
    server = servers.get(event.server)
    hook = server.hooks.get(event.hook) if server else None
    if server is None or hook is None:
        raise NotFoundError(f"no server file has the hook {event.server}/{event.hook} any more")
    return server, hook


def read_arguments(value: Json) -> dict[str, Json]:
    """Return arguments that a person has written.

    Raises:
        MalformedError: they are no JSON object.
    """
    if not isinstance(value, dict):
        raise MalformedError("arguments are a JSON object")
    return value

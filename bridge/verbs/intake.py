"""The verb of what comes in: accept a payload, once."""

import hashlib
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace

from bridge.configuration.servers import Hook, Server
from bridge.errors import ConflictError, Fault, InvalidError, NotFoundError, NumberError
from bridge.formats.json_text import encode, off_loop, spell
from bridge.formats.payloads import (
    SUMMARY_BYTES,
    Content,
    holds_spareable,
    inner_json,
    prune,
    resolve,
    summarize,
)
from bridge.formats.trace_context import trace_of
from bridge.models import Event, Json, new_event_id
from bridge.n8n.reply_address import ReplyAddresses, execution_of, secrets_in
from bridge.n8n.scrub import scrub, scrub_text
from bridge.schemas.checks import SchemaCache
from bridge.store.events import EventStore, NewEvent
from bridge.tracing import EndedSpan

SECRET_MIN_CHARS = 6
"""A shorter secret would be found in all kinds of words."""

SUMMARIZED_BYTES = 4096
"""A longer payload is summarized as it came: trimming takes a microsecond or so a value."""


@dataclass(frozen=True)
class Incoming:
    """A payload on its way in, with what its headers asked for; empty texts mean absent.

    `kept` is shown beside the payload; `dedupe_key` counts where there is no `idempotency_key`.
    `are_headers_proved` says whether what proves the sender covers the headers too.
    """

    content: Content
    idempotency_key: str = ""
    dedupe_key: str = ""
    kept: dict[str, Json] = field(default_factory=dict)
    reply_url: str = field(default="", repr=False)
    reply_deadline: str = ""
    are_headers_proved: bool = True
    call_id: str = ""
    traceparent: str = ""


class Intake:
    """Decides what is let in."""

    def __init__(
        self, store: EventStore, schemas: SchemaCache, addresses: ReplyAddresses, ttl_s: int
    ) -> None:
        self._store = store
        self._schemas = schemas
        self._addresses = addresses
        self._ttl_s = ttl_s

    async def accept(self, server: Server, hook: Hook, incoming: Incoming) -> tuple[Event, bool]:
        """Put a payload on record, once per idempotency key; tells whether it was a duplicate.

        Where the hook coalesces it may become part of the queued event that is given then.

        Raises:
            InvalidError: the payload breaks the hook's schema, the reply address is refused, or the
                call that asks is unknown to this server.
            ConflictError: the key came before with another body or reply address, or the call
                that asks has ended.
            TooManyError, FullError: the hook's limits are reached; a duplicate meets none.
        """
        if incoming.reply_url:
            _demand_proof(hook, incoming)
            self._addresses.check(incoming.reply_url)
        hidden = _hidden(incoming.reply_url)
        if hook.payload is not None:
            content = await self._as_wanted(hook, incoming.content)
            incoming = replace(incoming, content=content)
            await self._check(hook, content, hidden)
        kept = _without(incoming.content, hidden)
        began_at_s = time.time()
        outcome, event = await self._store.accept(self._new_event(server, hook, incoming, kept))
        if event is None:
            raise ConflictError("this Idempotency-Key was used with another body or reply address")
        if outcome == "accepted":
            _record_span(event, incoming.traceparent if event.trace else "", began_at_s)
        return event, outcome == "duplicate"

    async def anew(self, server: Server, hook: Hook, incoming: Incoming) -> NewEvent:
        """Make an event of a payload that came before, or of the bridge's own.

        It counts against no limit of its hook, and is merged with none.

        Raises:
            InvalidError: the payload breaks the hook's schema.
        """
        content = incoming.content
        if hook.payload is not None:
            content = await self._as_wanted(hook, content)
            await self._check(hook, content, ())
        new = self._new_event(server, hook, replace(incoming, content=content), content)
        return replace(new, rate=None, queued_max=None, coalesce="")

    async def put(self, new: NewEvent) -> None:
        """Put such an event on record, once.

        Raises:
            ConflictError: the call that it is about has ended.
        """
        await self._store.accept(new)

    def _new_event(self, server: Server, hook: Hook, incoming: Incoming, kept: Content) -> NewEvent:
        content = incoming.content
        key, digest = _identity(hook, incoming)
        return NewEvent(
            event_id=new_event_id(),
            server=server.name,
            hook=hook.name,
            body=kept.body,
            summary=_summary(server, hook, kept),
            kept=_kept(hook, incoming),
            digest=digest,
            idempotency=_idempotency(server, hook, key),
            reply_url=incoming.reply_url,
            reply_deadline=incoming.reply_deadline,
            default_reply=hook.default_reply_text,
            lease_s=hook.lease_s,
            max_attempts=hook.max_attempts,
            answer_within_s=hook.answer_within_s or self._ttl_s,
            ttl_s=self._ttl_s,
            files=content.files,
            rate=hook.limits.rate if hook.limits else None,
            call_id=incoming.call_id,
            trace=trace_of(incoming.traceparent),
            queued_max=hook.limits.queued if hook.limits else None,
            execution=execution_of(incoming.idempotency_key, incoming.reply_url),
            coalesce=_coalescing(server, hook, incoming),
            coalesce_for_s=hook.coalesce.window_s if hook.coalesce else 0,
        )

    async def _as_wanted(self, hook: Hook, content: Content) -> Content:
        """Return the JSON inside a text or a form where the hook's schema allows only that.

        Raises:
            NumberError: that JSON holds a number that no double can.
        """
        schemas, schema = self._schemas, hook.payload
        try:
            inner = await _inner_json(content)
        except NumberError:
            if await schemas.fits(schema, content.payload):
                return content
            raise
        if inner is None or await schemas.fits(schema, content.payload):
            return content
        if _may_be_text(hook) and not await schemas.fits(schema, inner.payload):
            return content
        return inner

    async def _check(self, hook: Hook, content: Content, hidden: tuple[str, ...]) -> None:
        broken = "the payload breaks this hook's schema"
        try:
            await self._schemas.check(hook.payload, content.payload, broken, content.body.content)
        except InvalidError as error:
            # What is wrong with a value is told with the value.
            faults = (
                replace(each, detail=scrub_text(each.detail, hidden)) for each in error.faults
            )
            raise InvalidError(error.summary, tuple(faults), error.has_more) from None


def _record_span(event: Event, under: str, began_at_s: float) -> None:
    name, event_id = f"event {event.hook}", event.event_id
    EndedSpan(name, event.trace, event_id, began_at_s, event.names, under=under).record()


async def _inner_json(content: Content) -> Content | None:
    return await off_loop(len(content.body.content), lambda: inner_json(content))


def _may_be_text(hook: Hook) -> bool:
    kinds = (hook.payload or {}).get("type")
    return "string" in (kinds if isinstance(kinds, list) else [kinds])


def _hidden(reply_url: str) -> tuple[str, ...]:
    """Name what of a reply address must be seen nowhere."""
    return (reply_url, *secrets_in(reply_url)) if reply_url else ()


def _without(content: Content, hidden: tuple[str, ...]) -> Content:
    """Take the reply address out of a payload that repeats it: whoever reads it may send there."""
    if not hidden or not any(part.encode() in content.body.content for part in hidden):
        return content
    payload = scrub(content.payload, hidden)
    body = replace(content.body, content=encode(payload))
    return replace(content, payload=payload, body=body)


def _summary(server: Server, hook: Hook, kept: Content) -> str:
    """Return the start of a payload, without what its server lets Claude be spared."""
    if not server.trim_context or len(kept.body.content) > SUMMARIZED_BYTES:
        return summarize(kept.body.content)
    hard = server.trim_context == "hard"
    lean = kept.payload
    if hard or holds_spareable(kept.body.content):
        lean = prune(kept.payload, hook.payload, lambda _: True, hard=hard)
    return summarize(spell(lean)[:SUMMARY_BYTES].encode())


def _demand_proof(hook: Hook, incoming: Incoming) -> None:
    if hook.reply_url == "signed" and not incoming.are_headers_proved:
        fault = Fault(
            "",
            "Bridge-Reply-Url is not covered by the signature, so anyone on the way could have set "
            "it: leave it out, or allow it with `reply_url: unsigned` in the server file",
        )
        raise InvalidError("the reply address is refused", (fault,))


def _digest(*parts: bytes) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "big") + part)
    return whole.hexdigest()


def _coalescing(server: Server, hook: Hook, incoming: Incoming) -> str:
    """Digest what makes two requests one event; empty for those that stay events of their own.

    So do requests that name a reply address: whoever waits there asked about just this payload.
    """
    if hook.coalesce is None or incoming.reply_url or incoming.call_id:
        return ""
    try:
        key = resolve(incoming.content.payload, hook.coalesce.key)
    except NotFoundError:
        return ""
    if key is None:
        return ""
    value = encode(key, sort_keys=True)
    return _digest(server.name.encode(), hook.name.encode(), value)


def _identity(hook: Hook, incoming: Incoming) -> tuple[str, str]:
    """Return the key that makes a request a duplicate, empty if none does, and what it must repeat.

    Senders that number their events may write one anew: then only the number counts.
    """
    content, reply_url = incoming.content, incoming.reply_url.encode()
    if not incoming.idempotency_key and (numbered := _number(hook, incoming)):
        return numbered, _digest(reply_url)
    if not incoming.idempotency_key:
        return "", ""
    return incoming.idempotency_key, _digest(content.body.content, *content.files, reply_url)


def _number(hook: Hook, incoming: Incoming) -> str:
    """Return what the hook's `dedupe` finds, apart from all that an Idempotency-Key may be."""
    number: Json = incoming.dedupe_key or None
    if hook.dedupe and hook.dedupe.pointer is not None:
        with suppress(NotFoundError):
            number = resolve(incoming.content.payload, hook.dedupe.pointer)
    return "" if number in (None, "") else f"\0{encode(number, sort_keys=True).decode()}"


def _kept(hook: Hook, incoming: Incoming) -> str:
    """Return what is kept beside the payload as JSON, without secrets; empty if nothing is."""
    if not incoming.kept:
        return ""
    secrets = (each for each in hook.secrets if len(each) >= SECRET_MIN_CHARS)
    return encode(scrub(incoming.kept, (*_hidden(incoming.reply_url), *secrets))).decode()


def _idempotency(server: Server, hook: Hook, key: str) -> str:
    return _digest(server.name.encode(), hook.name.encode(), key.encode()) if key else ""

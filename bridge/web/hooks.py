"""/hooks/{server}/{hook}: a payload comes in, and 202 means that it is on disk.

Providers that ask whether they may send are answered as plain text, and never an event. With
`Prefer: wait=N` (RFC 7240, 4.3) a request is held open for a reply, and it is found out whether
that went out.
"""

import asyncio
import functools
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Protocol, TypeVar

from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from bridge.auth.authentication import WEBHOOK_ID, Proof, Sender, check_hook, is_same
from bridge.configuration.server_options import MetaHandshake
from bridge.configuration.servers import Hook, Server
from bridge.errors import Fault, InvalidError, NotFoundError, UnauthorizedError
from bridge.formats.bodies import UTF_8, decode_field, read_urlencoded
from bridge.formats.json_text import decode, encode
from bridge.formats.payloads import read_content
from bridge.formats.secret_names import holds_a_secret, names_a_secret
from bridge.log import audit
from bridge.meters import INGEST
from bridge.models import Event, Json, new_lease_token
from bridge.n8n.scrub import MARK
from bridge.net.connection import Connection, connection_of
from bridge.net.request_body import read_body
from bridge.runtime import WebRuntime
from bridge.verbs.intake import Incoming
from bridge.web.middleware import state_of

logger = logging.getLogger(__name__)


async def receive_event(request: Request) -> Response:
    """Store a payload and answer 202, or 200 for one that was stored before."""
    started = time.perf_counter()
    runtime = state_of(request).runtime
    server, hook = _find_hook(runtime, request)
    if greeting := answer_graph(hook, request):
        return greeting
    # By their names in small letters; of one that repeats, the first.
    headers = dict(reversed(request.headers.items()))
    incoming = await _read(request, hook, headers, runtime.settings.max_body_bytes)
    if greeting := answer_slack(hook, incoming.content.payload):
        return greeting
    event, is_duplicate = await runtime.intake.accept(server, hook, incoming)
    took_s = time.perf_counter() - started
    INGEST.observe(took_s)
    audit(
        f"{server.name}/hooks/{hook.name}",
        "event",
        event.event_id,
        "duplicate" if is_duplicate else "done",
        bytes=incoming.content.size_bytes,
        duration_ms=round(took_s * 1000, 2),
    )
    wait_s = preferred_wait_s(request.headers.getlist("prefer")) if "prefer" in headers else 0
    if wait_s:
        return await _wait(request, event, is_duplicate, wait_s)
    described = encode(_describe(request, event, is_duplicate), compact=True)
    return Response(described, 200 if is_duplicate else 202, media_type="application/json")


def is_confirmed_by_get(servers: Mapping[str, Server], place: Mapping[str, str]) -> bool:
    """Report whether the provider of the hook at this place asks with GET: Meta does, no other."""
    server = servers.get(place["server"])
    hook = server.hooks.get(place["hook"]) if server else None
    return hook is not None and isinstance(hook.handshake, MetaHandshake)


async def confirm(request: Request) -> Response:
    """Answer a provider that asks with GET whether it may send here."""
    runtime = state_of(request).runtime
    _, hook = _find_hook(runtime, request)
    assert isinstance(hook.handshake, MetaHandshake), "no other hook is routed here"
    return answer_meta(hook, hook.handshake, request)


async def _wait(request: Request, event: Event, is_duplicate: bool, wait_s: int) -> Response:
    """Hold the request open for a reply that may come in time; answer with what there is then."""
    runtime = state_of(request).runtime
    token = new_lease_token()
    waiting = runtime.direct_replies.wait(event, token, wait_s)
    now = await while_there(request, waiting) or event

    async def settle(is_written: bool) -> None:
        await runtime.direct_replies.settle(now, token, is_written=is_written)

    is_told = now.reply.value is not None or is_duplicate
    described = _describe(request, now, is_duplicate)
    applied = {"Preference-Applied": f"wait={wait_s}"}
    return WatchedAnswer(described, 200 if is_told else 202, applied, settle)


def _find_hook(runtime: WebRuntime, request: Request) -> tuple[Server, Hook]:
    server = runtime.servers.get(request.path_params["server"])
    hook = server.hooks.get(request.path_params["hook"]) if server else None
    if server is None or hook is None:
        raise NotFoundError("no such hook: send to /hooks/SERVER/HOOK, as a server file names them")
    return server, hook


async def _read(
    request: Request, hook: Hook, headers: Mapping[str, str], max_bytes: int
) -> Incoming:
    proof = check_hook(hook, Sender(headers, None, time.time()))
    if proof.covers_headers:
        raw = await read_body(request, max_bytes)
    else:
        raw, proof = await _read_signed(request, hook, max_bytes)
    return Incoming(
        content=await read_content(raw, headers, max_bytes),
        idempotency_key=_idempotency_key(headers, proof),
        dedupe_key=_dedupe_key(hook, headers),
        kept=kept_beside(hook, request.headers, request.scope["query_string"]),
        reply_url=headers.get("bridge-reply-url", ""),
        reply_deadline=_deadline(headers.get("bridge-reply-deadline", "")),
        call_id=headers.get("bridge-call-id", ""),
        traceparent=headers.get("traceparent", ""),
        are_headers_proved=proof.covers_headers,
    )


async def _read_signed(request: Request, hook: Hook, max_bytes: int) -> tuple[bytes, Proof]:
    """Read the body that is to prove its own sender, as far as there is room for such ones."""
    state = state_of(request)
    with state.body_budget.holding(request.url.path, state.clients.of(request)) as hold:
        raw = await read_body(request, max_bytes, hold.grow_to)
        proof = check_hook(hook, Sender(request.headers, raw, time.time()))
        hold.is_proved()
        return raw, proof


def _idempotency_key(headers: Mapping[str, str], proof: Proof) -> str:
    # With a signed id, any other key would let whoever has overheard a request repeat it as new.
    return proof.signed_id or headers.get("idempotency-key") or headers.get(WEBHOOK_ID) or ""


def _dedupe_key(hook: Hook, headers: Mapping[str, str]) -> str:
    header = hook.dedupe.header if hook.dedupe else None
    return headers.get(header.lower(), "") if header else ""


def _deadline(text: str) -> str:
    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        fault = Fault("", "Bridge-Reply-Deadline must be an RFC 3339 time with an offset")
        raise InvalidError("the reply deadline cannot be read", (fault,))
    return moment.isoformat()


def _own_address(request: Request) -> str:
    public_url = state_of(request).runtime.settings.public_url
    return public_url or _address(request.scope["scheme"], request.headers["host"])


@functools.lru_cache(256)
def _address(scheme: str, host: str) -> str:
    scope = {"scheme": scheme, "path": "/", "headers": [(b"host", host.encode("latin-1"))]}
    return str(URL(scope=scope)).rstrip("/")


def _describe(request: Request, event: Event, is_duplicate: bool) -> dict[str, object]:
    described: dict[str, object] = {
        "event_id": event.event_id,
        "status": event.status,
        "duplicate": is_duplicate,
        "status_url": f"{_own_address(request)}/events/{event.event_id}",
    }
    if event.reply.value is not None:
        described["reply"] = decode(event.reply.value)
    return described


SAFE = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
"""What is said back is the asker's own: no browser may take it for a page."""


def answer_graph(hook: Hook, request: Request) -> Response | None:
    """Return the token that Microsoft Graph asks for without a credential, else None.

    It asks without a body; what brings one is an event, whatever its query says.

    Source: Microsoft Graph, "Receive change notifications through webhooks", validation.
    """
    if hook.handshake != "graph":
        return None
    headers = request.headers
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        return None
    token = _asked(request).get("validationToken")
    return _said_back(hook, token) if isinstance(token, str) and token else None


def answer_slack(hook: Hook, payload: Json) -> Response | None:
    """Return Slack's challenge to it, which it signs like any event; None if the payload is one.

    Raises:
        InvalidError: it asks, but with no text that could be said back: that is no event either.

    Source: Slack, "url_verification event".
    """
    if hook.handshake != "slack" or not isinstance(payload, dict):
        return None
    if payload.get("type") != "url_verification":
        return None
    challenge = payload.get("challenge")
    if not isinstance(challenge, str):
        fault = Fault("/challenge", "must be a text, to be said back")
        raise InvalidError("this url_verification cannot be answered", (fault,))
    return _said_back(hook, challenge)


def answer_meta(hook: Hook, handshake: MetaHandshake, request: Request) -> Response:
    """Return Meta's challenge to a client that knows the verify token.

    Raises:
        UnauthorizedError: this is not how Meta asks, or the token is wrong.

    Source: Meta, "Graph API: Webhooks: Getting started", verification requests.
    """
    asked = _asked(request)
    mode, token, challenge = (
        value if isinstance(value := asked.get(f"hub.{name}"), str) else ""
        for name in ("mode", "verify_token", "challenge")
    )
    is_right = is_same(token, handshake.token.get_secret_value())
    if mode != "subscribe" or not challenge or not is_right:
        raise UnauthorizedError(
            "hub.mode must be subscribe, hub.verify_token this hook's, and hub.challenge be there",
            "Verify",
            is_guess=bool(token),
        )
    return _said_back(hook, challenge)


def _asked(request: Request) -> dict[str, Json]:
    return read_urlencoded(request.scope["query_string"])


def _said_back(hook: Hook, text: str) -> Response:
    logger.info("hook.handshake", extra={"hook": hook.name})
    return Response(text, HTTPStatus.OK, SAFE, media_type="text/plain")


class HeaderPairs(Protocol):
    """The headers of a request, by name in any case."""

    def getlist(self, key: str) -> list[str]:
        """Return all values of a header."""
        ...


def kept_beside(hook: Hook, headers: HeaderPairs, query: bytes) -> dict[str, Json]:
    """Return what a hook keeps of a request: `headers` by name, `query` by parameter.

    Parameters whose name says that they are secrets, and addresses with such ones, are masked.

    Raises:
        MalformedError: the query is in no charset.
    """
    if hook.keep is None:
        return {}
    found: dict[str, Json] = {
        name: ", ".join(map(_text, values))
        for name in hook.keep.headers
        if (values := headers.getlist(name))
    }
    asked = read_urlencoded(query) if hook.keep.query else {}
    parts = (("headers", _masked(found)), ("query", _masked(asked)))
    return {name: part for name, part in parts if part}


def _masked(values: dict[str, Json]) -> dict[str, Json]:
    return {
        name: MARK if names_a_secret(name) or _is_secret(value) else value
        for name, value in values.items()
    }


def _is_secret(value: Json) -> bool:
    return any(map(_is_secret, value)) if isinstance(value, list) else holds_a_secret(str(value))


def _text(value: str) -> str:
    """Return a header's value, which comes as one character a byte."""
    return decode_field(value.encode("latin-1"), (UTF_8, "latin-1"), "a header")


WAIT_MAX_S = 290
"""n8n gives a request up after 300 seconds."""

_PREFERENCE = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*")+')
_WAIT = re.compile(r'\s*wait\s*=\s*("?)0*([0-9]+)\1\s*(?:;|$)', re.IGNORECASE)


def preferred_wait_s(headers: Iterable[str]) -> int:
    """Read how long a sender would wait; 0 where it does not say, or says what nobody can read.

    Of several such preferences the first counts.
    """
    for preference in _PREFERENCE.findall(",".join(headers)):
        if found := _WAIT.match(preference):
            return min(int(found[2]), WAIT_MAX_S) if len(found[2]) < 4 else WAIT_MAX_S
    return 0


T = TypeVar("T")
PAUSES_S = (0.001, 0.004, 0.015, *[0.05] * 100)
"""Between looks at whether an answer has arrived; an acknowledgement may take 40 ms by itself."""


async def while_there(request: Request, work: Awaitable[T]) -> T | None:
    """Wait for `work`; None, and the work is cancelled, if the client leaves or we drain first."""
    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(_until_gone(request))
    with state_of(request).streams.holding(watching.cancel):
        try:
            await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
            return await working if working.done() else None
        finally:
            working.cancel()
            watching.cancel()
            await asyncio.gather(working, watching, return_exceptions=True)


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class WatchedAnswer(Response):
    """A JSON answer that tells `settle` whether it was surely written, whatever happens to it.

    Its last byte is held back until the other side's system has acknowledged the rest: so far the
    client cannot be done, and closes the connection only if it has given up.
    """

    media_type = "application/json"

    def __init__(
        self,
        content: object,
        status: int,
        headers: dict[str, str],
        settle: Callable[[bool], Awaitable[None]],
    ) -> None:
        super().__init__(encode(content, compact=True), status, headers)
        self._settle = settle

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, and settle before the server closes the connection by itself."""
        is_written = False
        try:
            is_written = await self.write(connection_of(scope), send)
        finally:
            await self._settle(is_written)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def write(self, connection: Connection | None, send: Send) -> bool:
        """Send all of it; True if it was surely written."""
        head = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **head})
        await send(_part(self.body[:-1]))
        await send(_part(b""))  # waits until the connection has room again
        is_taken = connection is not None and await _is_taken_in_time(connection)
        await send(_part(self.body[-1:]))
        stands = connection and connection.is_open() and not connection.is_reset()
        return bool(is_taken and stands)


def _part(content: bytes | memoryview) -> dict[str, object]:
    return {"type": "http.response.body", "body": content, "more_body": True}


async def _is_taken_in_time(connection: Connection) -> bool:
    for pause_s in PAUSES_S:
        if not connection.is_open():
            return False
        if connection.is_taken():
            return True
        await asyncio.sleep(pause_s)
    return False

"""MCP over stdin and stdout: each line a message of one client, many served at once."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from mcp.server.connection import Connection
from mcp.shared.transport_context import TransportContext
from mcp_types.jsonrpc import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
)

from bridge.auth.authentication import LOCAL
from bridge.errors import MalformedError
from bridge.formats.json_text import off_loop, parse_json
from bridge.mcp.change_watch import LIST_CHANGES, InboxWatch
from bridge.mcp.endpoint import McpEndpoint
from bridge.mcp.event_pushes import CAPABILITY, push_events
from bridge.mcp.exchange import (
    ASK_S,
    BATCHES_UNTIL,
    Answer,
    Exchange,
    answer,
    batch_in,
    client_request,
    encode,
    error_message,
    is_message,
    lose,
    not_a_message,
    not_answered,
    unreadable,
)
from bridge.mcp.session_notifications import TOLD_LISTS
from bridge.mcp.tools import LAST_WAIT_S, Caller
from bridge.mcp.wires.negotiation import Negotiation
from bridge.mcp.wires.pipes import LinesIn, LinesOut
from bridge.mcp.wires.stdio_acks import StdioAcks
from bridge.models import Json, Message, Principal
from bridge.runtime import McpRuntime
from bridge.verbs.takers import Presence


class RequestsInFlight:
    """The requests of one client, each served beside the others, no more than `most` at once."""

    def __init__(self, most: int) -> None:
        self._room = asyncio.Semaphore(most)
        self._serving: dict[str | int, asyncio.Task[None]] = {}

    @property
    def tasks(self) -> Iterable[asyncio.Task[None]]:
        """Return what serves them."""
        return self._serving.values()

    async def start(
        self, request_id: str | int, serve: Callable[[], Coroutine[Any, Any, None]]
    ) -> asyncio.Task[None] | None:
        """Serve a request as soon as there is room; None when its id is under way already."""
        await self._room.acquire()
        if request_id in self._serving:
            self._room.release()
            return None
        serving = self._serving[request_id] = asyncio.create_task(serve())
        serving.add_done_callback(lambda _: self._is_served(request_id))
        return serving

    def cancel(self, request_id: object) -> None:
        """Serve a request no further; one that is not under way has been answered or never was."""
        serving = self._serving.get(request_id) if isinstance(request_id, str | int) else None
        if serving is not None:
            serving.cancel()

    async def end(self, within_s: float) -> None:
        """Wait until all are answered, for so long at most."""
        if self._serving:
            await asyncio.wait(self._serving.values(), timeout=within_s)

    def _is_served(self, request_id: str | int) -> None:
        del self._serving[request_id]
        self._room.release()


class StdioChannel:
    """Carries what goes out before and beside the answers; any of it may wait for the reader."""

    def __init__(self, sink: LinesOut, eras: Negotiation) -> None:
        self._sink = sink
        self._eras = eras
        self._asked: dict[str, asyncio.Future[Message]] = {}

    @property
    def can_ask(self) -> bool:
        """Report whether the client's protocol knows requests from the server."""
        return self._eras.is_handshake

    async def send(self, message: Message) -> None:
        """Write a notification; a client that is gone is found out by who reads it."""
        with contextlib.suppress(OSError):
            await self._sink.write(encode(message))

    async def ask(
        self, method: str, params: Mapping[str, Any] | None, timeout_s: float | None = None
    ) -> Message:
        """Ask the client.

        Raises:
            MCPError: no answer in time (ASK_S when no time is given).
        """
        request = client_request(method, params)
        answered = self._asked[request["id"]] = asyncio.get_running_loop().create_future()
        try:
            await self.send(request)
            return await asyncio.wait_for(answered, timeout_s or ASK_S)
        except TimeoutError:
            raise not_answered(method) from None
        finally:
            del self._asked[request["id"]]

    def take_answer(self, message: Message) -> None:
        """Hand an answer of the client to whoever asked; one to no question is dropped."""
        answered = self._asked.get(str(message.get("id")))
        if answered is not None and not answered.done():
            answered.set_result(message)


REQUESTS_MAX = 1000
NO_MESSAGE = (
    "each line must be one JSON-RPC message (params, if it has any, an object), or, with "
    f"{BATCHES_UNTIL}, a batch of them"
)
END_WITHIN_S = LAST_WAIT_S + 0.2
"""How long a client that leaves in peace may wait for us; many kill after two seconds."""


class Stdio:
    """Serves one client from its first line to its last."""

    def __init__(
        self,
        runtime: McpRuntime,
        endpoint: McpEndpoint,
        source: LinesIn,
        sink: LinesOut,
        *,
        is_channel: bool = False,
    ) -> None:
        self._runtime = runtime
        self._server = endpoint.server
        self._endpoint = endpoint
        self._source = source
        self._sink = sink
        self._is_channel = is_channel
        self._eras = Negotiation(handshake_only=is_channel)
        self._line = StdioChannel(sink, self._eras)
        self._acks = StdioAcks(runtime.acks, source, sink)
        self._requests = RequestsInFlight(REQUESTS_MAX)
        self._beside: set[asyncio.Task[None]] = set()
        self._leaving = asyncio.Event()
        self._pushing: asyncio.Task[None] | None = None
        self._inboxes = InboxWatch(runtime.inboxes, endpoint.server, ())

    @property
    def endpoint(self) -> McpEndpoint:
        """What it serves."""
        return self._endpoint

    def replace(self, endpoint: McpEndpoint) -> None:
        """Serve this from now on, and notify the client of the lists that are others."""
        has_other_hooks = endpoint.server.hooks != self._server.hooks
        self._server, self._endpoint = endpoint.server, endpoint
        changed = endpoint.listening.replace(endpoint.lists)
        for name in TOLD_LISTS:
            if name in changed and self._eras.is_handshake:
                note = {"jsonrpc": "2.0", "method": LIST_CHANGES[name]}
                self._start_beside(self._line.send(note))
        if self._pushing and has_other_hooks:
            self._pushing.cancel()
            self._pushing = self._start_pushing()

    def _start_pushing(self) -> asyncio.Task[None]:
        return self._start_beside(push_events(self._runtime.pushes, self._server, self._line.send))

    async def serve(self, stop: asyncio.Event) -> None:
        """Serve until the client has left, or until told to stop; then end in peace, and soon."""
        reading = asyncio.create_task(self._read())
        ends = [reading, *(asyncio.create_task(e.wait()) for e in (stop, self._sink.closed))]
        self._start_beside(self._acks.grow_sure())
        self._start_beside(self._inboxes.tell_updates(self._line.send))
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            self._leaving.set()
            self._endpoint.listening.close()
            if self._sink.is_open:
                await self._requests.end(END_WITHIN_S)
        finally:
            rest = (*ends, *self._requests.tasks, *self._beside)
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)
            await self._acks.settle_the_rest()
        if reading.done() and not reading.cancelled() and (error := reading.exception()):
            raise error

    async def _read(self) -> None:
        async for line in self._source.lines():
            if line is None:
                most = self._runtime.settings.max_body_bytes
                await self._refuse(INVALID_REQUEST, f"a message may have at most {most} bytes")
            elif line.strip():
                await self._take_line(line)

    async def _take_line(self, line: bytes) -> None:
        try:
            body = await off_loop(len(line), lambda: parse_json(line))
        except MalformedError as error:
            await self._line.send(unreadable(line, error))
            return
        messages = batch_in(body) if self._eras.has_batches else []
        if isinstance(body, dict) and is_message(body):
            messages = [body]
        if not messages:
            await self._line.send(not_a_message(body, NO_MESSAGE))
        for message in messages:
            await self._take(message)

    async def _take(self, message: Message) -> None:
        if "method" not in message:
            self._line.take_answer(message)
        elif "id" not in message:
            self._take_note(message)
        else:
            await self._take_request(message)

    async def _refuse(self, code: int, sentence: str) -> None:
        await self._line.send(error_message(None, code, sentence))

    def _take_note(self, message: Message) -> None:
        params = message.get("params")
        if message["method"] == "notifications/cancelled" and isinstance(params, Mapping):
            self._requests.cancel(params.get("requestId"))
        is_ready = message["method"] == "notifications/initialized" and self._is_channel
        if is_ready and not self._pushing:
            self._pushing = self._start_pushing()

    async def _take_request(self, message: Message) -> None:
        """Serve a request beside the others; the handshake alone before what follows it."""
        await self._acks.prove()
        request_id = message["id"]
        serving = await self._requests.start(request_id, partial(self._serve, message))
        if serving is None:
            sentence = "a request of this id is being served already"
            await self._line.send(error_message(request_id, INVALID_REQUEST, sentence))
        elif message["method"] == "initialize":
            await asyncio.wait((serving,))

    async def _serve(self, message: Message) -> None:
        """Serve a request and write its answer; a cancelled one gets none."""
        caller = Caller(
            self._runtime,
            self._server,
            Principal(self._server.name, LOCAL),
            is_there=self._is_there,
            presence=partial(Presence, self._is_there),
            leaving=self._leaving,
            hearing=self._inboxes,
        )
        answered = await self._answer(message, caller)
        if answered.frames:
            async with contextlib.aclosing(answered.frames):
                async for frame in answered.frames:
                    if frame:
                        await self._line.send(frame)
        try:
            await self._acks.write(encode(answered.message), answered.ack)
        except BaseException as error:
            await asyncio.shield(lose(caller, answered.ack))
            if not isinstance(error, OSError):  # which says that the client is gone
                raise

    async def _answer(self, message: Message, caller: Caller) -> Answer:
        admitted = self._eras.admit(message, self._line)
        if not isinstance(admitted, Connection):
            return Answer(admitted)
        transport = TransportContext(kind="stdio", can_send_request=self._line.can_ask)
        exchange = Exchange(message, self._line, transport)
        answered = await answer(self._endpoint.mcp, exchange, admitted, caller)
        if message["method"] == "initialize" and "result" in answered.message:
            self._eras.settle(message, admitted)
            if self._is_channel:
                capabilities = answered.message["result"]["capabilities"]
                capabilities.setdefault("experimental", {})[CAPABILITY] = {}
        return answered

    async def _is_there(self) -> bool:
        return self._sink.is_open and not self._leaving.is_set()

    def _start_beside(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)
        return task


LINE_BYTES = 1 << 24


NEXT_WITHIN_S = 5.0
"""How long the next request is waited for: a client of 2026 asks once more, by `initialize`."""


async def refuse(source: LinesIn, sink: LinesOut, faults: Sequence[str]) -> None:
    """Answer each request with an error that names these faults, until the client has left.

    One that says nothing for NEXT_WITHIN_S has heard what there is to hear.
    """
    why = "; ".join(faults)
    async with contextlib.aclosing(source.lines()) as lines:
        with contextlib.suppress(OSError, StopAsyncIteration, TimeoutError):
            while True:
                line = await asyncio.wait_for(anext(lines), NEXT_WITHIN_S)
                for request_id in _requests_in(line):
                    await sink.write(encode(error_message(request_id, INTERNAL_ERROR, why)))


def _requests_in(line: bytes | None) -> Iterator[str | int | None]:
    """Yield the id of each request in a line, a batch's too; None for what cannot be read."""
    if line is not None and not line.strip():
        return
    try:
        body: Json = None if line is None else parse_json(line)
    except MalformedError:
        body = None
    messages: list[Json] = body if isinstance(body, list) else [body]
    for message in messages:
        if not isinstance(message, dict) or not is_message(message):
            yield None
        elif "method" in message and "id" in message:
            request_id: Any = message["id"]
            yield request_id

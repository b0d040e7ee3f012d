"""MCP by hand: what goes over the wire, seen without the help of a client library."""

import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    PROTOCOL_VERSION_META_KEY,
)

Message = dict[str, Any]

ALICE, BOB, N8N = "the-token-of-alice", "the-token-of-bob", "the-token-of-n8n"
VERSION_2025, VERSION_2026 = "2025-11-25", "2026-07-28"
BOTH = "application/json, text/event-stream"
ME = {"name": "by-hand", "version": "1"}


@dataclass(frozen=True)
class Event:
    """One block of an event stream; a comment has nothing else."""

    id: str | None = None
    name: str | None = None
    data: str | None = None
    retry_ms: int | None = None
    comment: str | None = None

    @property
    def message(self) -> Message:
        """Read the data as JSON-RPC."""
        assert self.data, f"{self} carries no message"
        message: Message = json.loads(self.data)
        return message


async def events(response: httpx2.Response) -> AsyncGenerator[Event, None]:
    """Read a stream, comments and all, to its end."""
    lines: list[str] = []
    async for line in response.aiter_lines():
        if line:
            lines.append(line)
        elif lines:
            yield block(lines)
            lines.clear()


def block(lines: list[str]) -> Event:
    """Read the lines between two empty ones."""
    fields = {name: text for name, _, text in (line.partition(": ") for line in lines)}
    return Event(
        id=fields.get("id"),
        name=fields.get("event"),
        data=fields.get("data", fields.get("data:")),
        retry_ms=int(fields["retry"]) if "retry" in fields else None,
        comment=fields.get(""),
    )


async def frames(response: httpx2.Response) -> AsyncGenerator[Event, None]:
    """Read a stream without the signs of life, which come between wherever it takes longer."""
    async with contextlib.aclosing(events(response)) as blocks:
        async for event in blocks:
            if event.comment is None:
                yield event


async def messages(response: httpx2.Response) -> AsyncGenerator[Event, None]:
    """Read the events of a stream that carry a message."""
    async with contextlib.aclosing(events(response)) as blocks:
        async for event in blocks:
            if event.data:
                yield event


def request(method: str, request_id: int = 1, **params: Any) -> Message:
    """Write a request."""
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


def notification(method: str, **params: Any) -> Message:
    """Write a notification."""
    return {"jsonrpc": "2.0", "method": method, "params": params}


def call(tool: str, request_id: int = 1, **arguments: Any) -> Message:
    """Write the call of a tool."""
    return request("tools/call", request_id, name=tool, arguments=arguments)


def answering(asked: Event, content: Message) -> Message:
    """Write a user's answer to a question of the server's."""
    result = {"action": "accept", "content": content}
    return {"jsonrpc": "2.0", "id": asked.message["id"], "result": result}


def handshake(version: str) -> Message:
    """Write what a client says of itself when it initializes."""
    return {"protocolVersion": version, "capabilities": {"elicitation": {}}, "clientInfo": ME}


def authorization(token: str) -> dict[str, str]:
    """Prove who asks."""
    return {"authorization": f"Bearer {token}"}


@dataclass(frozen=True)
class Session:
    """A session of the 2025 wires of Streamable HTTP."""

    http: httpx2.AsyncClient
    url: str
    session_id: str
    version: str = VERSION_2025
    token: str = ALICE

    @property
    def headers(self) -> dict[str, str]:
        """What each request of the session carries."""
        return authorization(self.token) | {
            "accept": BOTH,
            "mcp-session-id": self.session_id,
            "mcp-protocol-version": self.version,
        }

    def at(self, url: str) -> "Session":
        """Go on with the session at another address."""
        return replace(self, url=url)

    async def post(self, message: Message) -> httpx2.Response:
        """Send a message and read the whole answer."""
        return await self.http.post(self.url, json=message, headers=self.headers)

    def stream(self, message: Message) -> AbstractAsyncContextManager[httpx2.Response]:
        """Send a message and read the answer bit by bit."""
        return self.http.stream("POST", self.url, json=message, headers=self.headers)

    def listen(
        self, last_event_id: str | None = None
    ) -> AbstractAsyncContextManager[httpx2.Response]:
        """Open the standing stream, or resume any."""
        resumed = {} if last_event_id is None else {"last-event-id": last_event_id}
        return self.http.stream("GET", self.url, headers=self.headers | resumed)

    async def end(self) -> httpx2.Response:
        """End the session."""
        return await self.http.delete(self.url, headers=self.headers)


async def open_session(
    http: httpx2.AsyncClient, url: str, *, version: str = VERSION_2025, token: str = ALICE
) -> Session:
    """Shake hands."""
    headers = authorization(token) | {"accept": BOTH}
    message = request("initialize", **handshake(version))
    answer = await http.post(url, json=message, headers=headers)
    assert answer.status_code == 200, answer.text
    session = Session(http, url, answer.headers["mcp-session-id"], version, token)
    assert (await session.post(notification("notifications/initialized"))).status_code == 202
    return session


@dataclass(frozen=True)
class Modern:
    """The 2026 wire at one address: nothing is kept between two requests."""

    http: httpx2.AsyncClient
    url: str
    token: str = ALICE
    capabilities: Message = field(default_factory=dict)

    def enveloped(self, message: Message) -> Message:
        """Put the client's name, version and capabilities into a request."""
        meta = {
            PROTOCOL_VERSION_META_KEY: VERSION_2026,
            CLIENT_INFO_META_KEY: ME,
            CLIENT_CAPABILITIES_META_KEY: self.capabilities,
            **message["params"].get("_meta", {}),
        }
        return message | {"params": message["params"] | {"_meta": meta}}

    def headers(self, message: Message) -> dict[str, str]:
        """Repeat in headers what the wire wants repeated."""
        params = message["params"]
        named = params.get("name") or params.get("taskId") or params.get("uri")
        return authorization(self.token) | {
            "accept": BOTH,
            "mcp-protocol-version": VERSION_2026,
            "mcp-method": message["method"],
            **({"mcp-name": named} if named else {}),
        }

    async def post(self, message: Message, **headers: str) -> httpx2.Response:
        """Send a request and read the whole answer; `headers` replace, an empty one removes."""
        given = self.headers(message) | {k.replace("_", "-"): v for k, v in headers.items()}
        kept = {name: value for name, value in given.items() if value}
        return await self.http.post(self.url, json=self.enveloped(message), headers=kept)

    def stream(self, message: Message) -> AbstractAsyncContextManager[httpx2.Response]:
        """Send a request and read the answer bit by bit."""
        return self.http.stream(
            "POST", self.url, json=self.enveloped(message), headers=self.headers(message)
        )


@dataclass(frozen=True)
class Pipe:
    """A session of HTTP+SSE: its open stream, and the address for messages."""

    http: httpx2.AsyncClient
    messages_url: str
    stream: AsyncGenerator[Event, None]
    response: httpx2.Response
    token: str = ALICE

    async def post(self, message: Message) -> httpx2.Response:
        """Send a message; what comes back of it comes on the stream."""
        return await self.http.post(
            self.messages_url, json=message, headers=authorization(self.token)
        )


@contextlib.asynccontextmanager
async def open_pipe(
    http: httpx2.AsyncClient, origin: str, path: str = "/sse/desk", token: str = ALICE
) -> AsyncIterator[Pipe]:
    """Open the stream and read where messages go."""
    async with http.stream("GET", origin + path, headers=authorization(token)) as response:
        assert response.status_code == 200
        async with contextlib.aclosing(events(response)) as stream:
            endpoint = await anext(stream)
            assert endpoint.name == "endpoint"
            assert endpoint.data
            yield Pipe(http, origin + endpoint.data, stream, response, token)


async def shake_hands(pipe: Pipe) -> Message:
    """Initialize a session of HTTP+SSE; returns the result."""
    hello = request("initialize", 0, **handshake(VERSION_2025))
    assert (await pipe.post(hello)).status_code == 202
    answer = await answer_on(pipe.stream)
    assert (await pipe.post(notification("notifications/initialized"))).status_code == 202
    result: Message = answer["result"]
    return result


async def answer_on(stream: AsyncGenerator[Event, None]) -> Message:
    """Read up to the next message."""
    async for event in stream:
        if event.data:
            return event.message
    raise AssertionError("the stream ended without a message")

"""Every wire behind one face: ask, and be answered."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2

from tests.doors.by_hand import (
    ALICE,
    N8N,
    Message,
    Modern,
    answer_on,
    authorization,
    block,
    open_pipe,
    open_session,
    request,
    shake_hands,
)

WIRES = ("2026", "2025", "sse")
Ask = Callable[..., Awaitable[Message]]
"""Takes a method and its parameters; returns the answer, `result` or `error`."""


@contextlib.asynccontextmanager
async def asking(
    wire: str, http: httpx2.AsyncClient, web: str, token: str = ALICE
) -> AsyncIterator[Ask]:
    """Connect over a wire while the block lasts."""
    if wire == "sse":
        async with open_pipe(http, web, token=token) as pipe:
            await shake_hands(pipe)

            async def ask_on_the_pipe(method: str, **params: object) -> Message:
                await pipe.post(request(method, 8, **params))
                return await answer_on(pipe.stream)

            yield ask_on_the_pipe
        return
    client = (
        Modern(http, f"{web}/mcp/desk", token)
        if wire == "2026"
        else await open_session(http, f"{web}/mcp/desk", token=token)
    )

    async def ask(method: str, **params: object) -> Message:
        return message_of(await client.post(request(method, 8, **params)))

    yield ask


def message_of(answer: httpx2.Response) -> Message:
    """Read the one message of an answer, or the last of a stream that has ended."""
    is_stream = answer.headers["content-type"].startswith("text/event-stream")
    blocks = answer.text.strip().split("\n\n") if is_stream else []
    message: Message = block(blocks[-1].split("\n")).message if is_stream else answer.json()
    return message


async def send(http: httpx2.AsyncClient, web: str, payload: object, hook: str = "letters") -> str:
    """Have n8n send an event to the desk; returns its id."""
    answer = await http.post(f"{web}/hooks/desk/{hook}", json=payload, headers=authorization(N8N))
    assert answer.status_code == 202, answer.text
    event_id: str = answer.json()["event_id"]
    return event_id

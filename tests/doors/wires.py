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
        answer: Message = (await client.post(request(method, 8, **params))).json()
        return answer

    yield ask


async def send(http: httpx2.AsyncClient, web: str, payload: object, hook: str = "letters") -> str:
    """Have n8n send an event to the desk; returns its id."""
    answer = await http.post(f"{web}/hooks/desk/{hook}", json=payload, headers=authorization(N8N))
    assert answer.status_code == 202, answer.text
    event_id: str = answer.json()["event_id"]
    return event_id

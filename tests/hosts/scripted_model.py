"""The model's part, played from a script: a Messages API that asks for the tool calls it is told.

Source: Anthropic's Messages API, "Streaming messages".
"""

import asyncio
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.hosts.host import Answer

FAREWELL = "That was all."
USAGE = {"input_tokens": 1, "output_tokens": 1}

Block = Mapping[str, Any]


@dataclass(frozen=True)
class ToolUse:
    """One tool call that the model asks for; `answer` comes with a later request."""

    name: str
    arguments: Mapping[str, Any]
    use_id: str = field(default_factory=lambda: f"toolu_{secrets.token_hex(12)}")
    answer: asyncio.Future[Answer] = field(default_factory=asyncio.Future)


class ScriptedModel:
    """Speaks for the model: asks for one tool after the other, until it says farewell."""

    def __init__(self) -> None:
        self._script: asyncio.Queue[ToolUse | None] = asyncio.Queue()
        self._asked: ToolUse | None = None
        self.app = Starlette(
            routes=[
                Route("/v1/messages", self._speak, methods=["POST"]),
                Route("/v1/messages/count_tokens", count, methods=["POST"]),
            ]
        )

    def ask_for(self, tool: str, arguments: Mapping[str, Any]) -> asyncio.Future[Answer]:
        """Have the model ask for a tool when its turn comes next."""
        use = ToolUse(tool, arguments)
        self._script.put_nowait(use)
        return use.answer

    def say_farewell(self) -> None:
        """Have the model end its turn."""
        self._script.put_nowait(None)

    async def _speak(self, request: Request) -> Response:
        body = await request.json()
        if not any(tool.get("name", "").startswith("mcp__") for tool in body.get("tools") or ()):
            return said(body, {"type": "text", "text": "ok"})
        self._hear(body["messages"])
        if self._asked is None:
            self._asked = await self._script.get()
        use = self._asked
        if use is None:
            return said(body, {"type": "text", "text": FAREWELL})
        return said(
            body,
            {"type": "tool_use", "id": use.use_id, "name": use.name, "input": dict(use.arguments)},
        )

    def _hear(self, messages: list[Block]) -> None:
        """Find the result of what was asked last; a request made again finds it not yet there."""
        for block in blocks(messages):
            use = self._asked
            if use and block["type"] == "tool_result" and block["tool_use_id"] == use.use_id:
                answer = Answer(text_of(block.get("content")), bool(block.get("is_error")))
                self._asked = None
                if not use.answer.done():
                    use.answer.set_result(answer)


async def count(_request: Request) -> Response:
    """Answer how many tokens a request has."""
    return JSONResponse({"input_tokens": 1})


def blocks(messages: list[Block]) -> Iterator[Block]:
    """Yield the blocks of messages."""
    for message in messages:
        if isinstance(message["content"], list):
            yield from message["content"]


def text_of(content: object) -> str:
    """Return the text of a tool's result."""
    if not isinstance(content, list):
        return str(content or "")
    return "".join(block.get("text", "") for block in content)


def said(body: Mapping[str, Any], block: Block) -> Response:
    """Answer with one block, as a stream if that is asked for."""
    message = {
        "id": f"msg_{secrets.token_hex(12)}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "stop_sequence": None,
        "usage": USAGE,
    }
    reason = "tool_use" if block["type"] == "tool_use" else "end_turn"
    if not body.get("stream"):
        return JSONResponse({**message, "content": [block], "stop_reason": reason})
    events = _events({**message, "content": [], "stop_reason": None}, block, reason)
    text = "".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in events)
    return Response(text, media_type="text/event-stream")


def _events(message: Block, block: Block, reason: str) -> Iterator[Block]:
    """Tell a message of one block piece by piece: the block comes empty, then what is in it."""
    if block["type"] == "tool_use":
        empty = {**block, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
    else:
        empty = {**block, "text": ""}
        delta = {"type": "text_delta", "text": block["text"]}
    ends = {"stop_reason": reason, "stop_sequence": None}
    yield {"type": "message_start", "message": message}
    yield {"type": "content_block_start", "index": 0, "content_block": empty}
    yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    yield {"type": "message_delta", "delta": ends, "usage": USAGE}
    yield {"type": "message_stop"}

"""A client does not give up: what was dropped is asked again until it is answered."""

import asyncio
from dataclasses import dataclass
from typing import Any

from tests.attached import own_result
from tests.chaos.asking import Ask, Claude, DroppedError
from tests.chaos.book import Book
from tests.doors.by_hand import Message

PAUSE_S = 0.3
LATER = "try again in a few seconds"
"""How the bridge ends the sentence of a failure that passes."""


@dataclass(frozen=True)
class Told:
    """What a tool told: its structured result, or a sentence that says what went wrong."""

    content: dict[str, Any]
    failure: str


async def insist(claude: Claude, wire: str, ask: Ask, book: Book) -> Told:
    """Ask until there is an answer that stands."""
    while True:
        ask.tell(f"{ask.tool} asked")
        try:
            told = _told(await claude.ask(ask))
        except DroppedError as error:
            book.dropped[f"{wire}: {type(error).__name__}"] += 1
            ask.tell(repr(error))
        else:
            ask.tell(f"told {told.content} {told.failure}")
            if not told.failure.endswith(LATER):
                return told
            book.dropped[f"{wire}: told to try again"] += 1
        await asyncio.sleep(PAUSE_S)


def _told(answer: Message) -> Told:
    if "error" in answer:
        return Told({}, f"JSON-RPC error {answer['error']}")
    result = answer["result"]
    sentence = "".join(part.get("text", "") for part in result["content"])
    return Told(
        own_result(result.get("structuredContent")) or {}, sentence if result.get("isError") else ""
    )

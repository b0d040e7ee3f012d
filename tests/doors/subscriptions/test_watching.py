"""The client of GET /watch/{server}: what it makes of streams and answers that are no bridge's."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from bridge.client import watching
from bridge.client.watching import CannotWatchError, WatchedInbox, Watcher
from tests.serving import serving_any

WITHIN_S = 30.0
STREAM = "text/event-stream"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "AGAIN_S", 0.01)
    monkeypatch.setattr(watching, "AGAIN_MAX_S", 0.02)


@dataclass
class Odd:
    """An app that answers each request for a stream with the next of some answers, then the last.

    Each begins as bytes say, and lasts as long as they come.
    """

    answers: list[Callable[[], Response]]
    asked: int = 0
    said: list[str] = field(default_factory=list)

    @property
    def app(self) -> Starlette:
        return Starlette(routes=[Route("/watch/desk", self._answer)])

    def _answer(self, _: Request) -> Response:
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1]()

    async def lines(self, count: int, give_up_s: float = WITHIN_S) -> list[str]:
        """Watch it until so many lines have come."""
        heard: list[str] = []
        async with serving_any(self.app) as url, asyncio.timeout(WITHIN_S):
            watcher = Watcher(WatchedInbox(url, "desk"), self.said.append, give_up_s)
            async with contextlib.aclosing(watcher.lines()) as lines:
                async for line in lines:
                    heard.append(line)
                    if len(heard) == count:
                        break
        return heard

    async def refused(self, give_up_s: float = WITHIN_S) -> str:
        """Watch it until it cannot be; returns why."""
        with pytest.raises(CannotWatchError) as refused:
            await self.lines(1000, give_up_s)
        return str(refused.value)


def stream(*parts: bytes, then: Callable[[], AsyncIterator[bytes]] | None = None) -> Response:
    async def told() -> AsyncIterator[bytes]:
        for part in parts:
            yield part
        if then:
            async for part in then():
                yield part

    return StreamingResponse(told(), media_type=STREAM)


async def long() -> AsyncIterator[bytes]:
    for _ in range(4 * watching.LINE_BYTES // 65536):
        yield b"x" * 65536


def event(number: int) -> bytes:
    return b'event: message\ndata: {"event_id": "evt_%d"}\n\n' % number


async def test_a_line_ends_at_a_line_feed_alone() -> None:
    told = '{"summary": "one\u2028two\u0085three\u000cfour"}'
    odd = Odd([lambda: stream(f"data: {told}\n\n".encode())])
    assert await odd.lines(1) == [told]


async def test_a_line_may_come_in_pieces_and_what_is_no_event_is_not_told() -> None:
    parts = (b": hi\n\ndata: 7\n\ndata: {", b'"a"', b": 1}\n", b"\ndata: ho\n\n")
    odd = Odd([lambda: stream(*parts)])
    assert await odd.lines(1) == ['{"a": 1}']


async def test_what_a_stream_that_was_cut_has_told_is_not_told_again_by_the_next() -> None:
    """A proxy that cuts each stream after a time would else wake a session each time."""
    parts = [event(1), event(1) + event(2), event(1) + event(2) + event(3) + event(3)]
    odd = Odd([partial(stream, part) for part in parts])
    told = [json.loads(line)["event_id"] for line in await odd.lines(4)]
    assert told == ["evt_1", "evt_2", "evt_3", "evt_3"]


async def test_it_is_told_again_when_it_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PAUSE_S", 0.2)
    odd = Odd([partial(stream, event(1))])
    assert len(await odd.lines(2)) == 2
    assert odd.asked > 2


@pytest.mark.parametrize("first", [b"", b": keepalive\n\n"])
async def test_a_stream_that_never_lasts_is_given_up_before_long(first: bytes) -> None:
    odd = Odd([lambda: stream(first)])
    assert "its stream ends as soon as it begins" in await odd.refused()
    assert (odd.asked, odd.said) == (3, [])


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_bridge_that_was_never_there_is_given_up_before_long(status: int) -> None:
    odd = Odd([lambda: Response("<html>", status)])
    assert f"it answers {status}" in await odd.refused()
    assert odd.asked == 3


async def test_one_that_is_there_at_the_second_try_was_not_lost() -> None:
    odd = Odd(
        [lambda: stream(event(1)), lambda: Response(status_code=502), lambda: stream(event(2))]
    )
    assert len(await odd.lines(2)) == 2
    assert odd.said == []


async def test_one_that_is_lost_is_said_to_be_once_and_given_up_in_time() -> None:
    odd = Odd([lambda: stream(event(1)), lambda: Response(status_code=502)])
    assert "it answers 502" in await odd.refused(give_up_s=0.5)
    (said,) = odd.said
    assert said.endswith("it answers 502; trying again until it is there")


@pytest.mark.parametrize(
    "answer",
    [
        lambda: stream(then=long),
        lambda: StreamingResponse(long(), 404, media_type="text/html"),
        lambda: Response(b"[" * 60_000, 404),
    ],
)
async def test_what_goes_on_for_too_long_is_no_bridge(answer: Callable[[], Response]) -> None:
    assert "there is no bridge at" in await Odd([answer]).refused()

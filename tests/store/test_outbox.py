"""Outboxes: bounded, and what had to make room is told of where somebody waits for it."""

import pytest
from redis.asyncio import Redis

from bridge.models import CallId, Frame, Owed, ProcessId
from bridge.store import outbox as store
from bridge.store.counters import DROPPED, Counters
from bridge.store.keys import PREFIX
from bridge.store.outbox import Outbox
from bridge.store.sessions import Reading, StreamStore
from tests.store.records import Desk

LOOK = Reading("one", "standing", reader="")
CALL_ID = CallId("call_x")


@pytest.fixture
def outbox(web: Desk) -> Outbox:
    return Outbox(web.steps)


async def read(outbox: Outbox, after: str = "") -> list[Frame]:
    frames = await outbox.read(LOOK, after)
    assert frames is not None
    return frames


async def answer(web: Desk, outbox: Outbox, number: int) -> None:
    """Owe a request, and answer it."""
    streams = StreamStore(web.steps, ProcessId("web_x"))
    await streams.register("one", "standing", Owed({"id": number}, CALL_ID), apart=False)
    await outbox.answer("one", "standing", b"answer", ends=False, receipt="", request=f"{number}")


async def test_the_oldest_frames_make_room_when_there_are_too_many(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "FRAMES_MAX", 3)
    for number in range(5):
        await outbox.append("one", "standing", b"%d" % number)
    assert [frame.content for frame in await read(outbox)] == [b"2", b"3", b"4"]


async def test_the_oldest_frames_make_room_when_they_are_too_long(
    web: Desk, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BYTES_MAX", 10)
    for content in (b"1234", b"567890", b"abc", b"d"):
        await outbox.append("one", "standing", content)
    assert [frame.content for frame in await read(outbox)] == [b"567890", b"abc", b"d"]
    counted = (await Counters(web.steps).read(())).counted.totals
    assert counted[(DROPPED,)] == 1


async def test_the_newest_frame_is_kept_however_long(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BYTES_MAX", 10)
    for content in (b"1", b"2" * 11, b"3" * 12):
        await outbox.append("one", "standing", content)
    assert [frame.content for frame in await read(outbox)] == [b"3" * 12]


async def test_an_answer_that_made_room_is_told_of_to_whoever_has_not_read_it(
    web: Desk, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "FRAMES_MAX", 2)
    for number in range(4):
        await answer(web, outbox, number)
    frames = await read(outbox)
    assert [(frame.dropped, frame.content) for frame in frames] == [
        ("0", b""),
        ("1", b""),
        ("", b"answer"),
        ("", b"answer"),
    ]
    for read_up_to, frame in enumerate(frames, 1):
        assert await read(outbox, frame.frame_id) == frames[read_up_to:]


async def test_a_reader_takes_no_more_at_once_than_it_may_hold(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "READ_BYTES", 10)
    for _ in range(4):
        await outbox.append("one", "standing", b"." * 6)
    first = await read(outbox)
    assert len(first) == 2
    assert len(await read(outbox, first[-1].frame_id)) == 2


async def test_no_frame_is_kept_longer_than_a_session_may_be_idle(web: Desk, redis: Redis) -> None:
    await Outbox(web.steps, idle_s=60).append("one", "standing", b"1")
    await Outbox(web.steps, idle_s=86400).append("two", "standing", b"1")
    assert 50 < await redis.ttl(f"{PREFIX}outbox:one:standing") <= 60
    assert 3500 < await redis.ttl(f"{PREFIX}outbox:two:standing") <= 3600

"""Sessions and outboxes: what one process keeps, another can go on with."""

import asyncio
from dataclasses import replace

import pytest

from bridge.models import Principal
from bridge.store.outbox import FRAMES_MAX, Outbox
from bridge.store.sessions import Session, SessionStore, new_session_id
from tests.store.records import ALICE, BOB, HOSTILE, STRANGER, Desk

SESSION = Session("one", ALICE, "sse", "client-1")
SETTLED = replace(SESSION, version="2025-11-25", info={"name": "it's"}, capabilities={"a": [1]})


@pytest.fixture
def sessions(web: Desk) -> SessionStore:
    return SessionStore(web.steps)


@pytest.fixture
def outbox(web: Desk) -> Outbox:
    return Outbox(web.steps)


async def test_a_session_is_read_as_it_was_written_last(sessions: SessionStore, web: Desk) -> None:
    for session in (SESSION, SETTLED, SETTLED):
        await sessions.write(session)
        assert await sessions.read("one", ALICE, "sse") == session
    assert 0 < await web.redis.ttl("{bridge}:session:one") <= 24 * 3600


async def test_reading_a_session_keeps_it_another_day(sessions: SessionStore, web: Desk) -> None:
    await sessions.write(SETTLED)
    await web.redis.expire("{bridge}:session:one", 10)

    await sessions.read("one", ALICE, "sse")

    assert await web.redis.ttl("{bridge}:session:one") > 10


@pytest.mark.parametrize(
    ("principal", "wire"), [(BOB, "sse"), (STRANGER, "sse"), (ALICE, "streamable-http")]
)
async def test_a_session_of_another_principal_or_wire_is_none(
    sessions: SessionStore, principal: Principal, wire: str
) -> None:
    await sessions.write(SETTLED)

    assert await sessions.read("one", principal, wire) is None


async def test_an_ended_session_is_gone(sessions: SessionStore) -> None:
    await sessions.write(SETTLED)

    for _ in range(2):
        await sessions.end("one")

    assert await sessions.read("one", ALICE, "sse") is None
    assert not await sessions.keep("one")


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
async def test_a_session_that_nobody_opened_is_none(
    sessions: SessionStore, web: Desk, text: str
) -> None:
    assert await sessions.read(text, ALICE, "sse") is None
    assert not await sessions.keep(text)
    await sessions.end(text)
    assert await web.redis.keys("{bridge}:session:*") == []


def test_session_ids_are_visible_ascii_and_never_the_same() -> None:
    minted = {new_session_id() for _ in range(100)}

    assert len(minted) == 100
    assert all(id_.isascii() and id_.isprintable() and " " not in id_ for id_ in minted)


async def test_frames_are_read_in_order_and_from_any_place(outbox: Outbox) -> None:
    for number in range(5):
        await outbox.append("one", "s", b"%d" % number, is_last=number == 4)

    frames = await outbox.read("one", "s", "")
    rest = await outbox.read("one", "s", frames[1].frame_id)

    assert [frame.content for frame in frames] == [b"0", b"1", b"2", b"3", b"4"]
    assert [frame.is_last for frame in frames] == [False] * 4 + [True]
    assert rest == frames[2:]
    assert await outbox.read("one", "s", frames[-1].frame_id) == []
    assert await outbox.read("one", "s", "", limit=2) == frames[:2]


async def test_streams_and_sessions_have_outboxes_of_their_own(outbox: Outbox) -> None:
    await outbox.append("one", "s", b"1")

    assert await outbox.read("one", "t", "") == []
    assert await outbox.read("two", "s", "") == []


async def test_a_frame_that_is_put_twice_in_a_row_is_kept_once(outbox: Outbox) -> None:
    for _ in range(2):
        await outbox.append("one", "s", b"\x00\xff'\n")

    (frame,) = await outbox.read("one", "s", "")
    assert frame.content == b"\x00\xff'\n"


async def test_an_outbox_keeps_its_newest_frames_for_an_hour(outbox: Outbox, web: Desk) -> None:
    await asyncio.gather(
        *(outbox.append("one", "s", b"%d" % number) for number in range(FRAMES_MAX + 5))
    )

    first = (await outbox.read("one", "s", "", limit=1))[0]

    assert first.content == b"5"
    assert 3590 < await web.redis.ttl("{bridge}:outbox:one:s") <= 3600


async def test_an_answer_of_a_client_is_there_for_whoever_asked(outbox: Outbox) -> None:
    assert await outbox.read_answer("one", "ask-1") is None
    await outbox.put_answer("one", "ask-1", b'{"a": "\x00"}')

    assert await outbox.read_answer("one", "ask-1") == b'{"a": "\x00"}'
    assert await outbox.read_answer("two", "ask-1") is None

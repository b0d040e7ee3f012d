"""Sessions: what a handshake settled in one process, another can go on with."""

from dataclasses import replace

import pytest

from bridge.errors import TooManySessionsError, TransientError
from bridge.models import Principal, ProcessId, Session
from bridge.store.sessions import (
    Reading,
    SessionLimits,
    SessionStore,
    StreamStore,
    new_session_id,
)
from tests.store.records import ALICE, BOB, HOSTILE, STRANGER, Desk

SESSION = Session("one", ALICE, "sse", "client-1")
SETTLED = replace(SESSION, version="2025-11-25", info={"name": "it's"}, capabilities={"a": [1]})


@pytest.fixture
def sessions(web: Desk) -> SessionStore:
    return SessionStore(web.steps)


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


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
async def test_a_session_that_nobody_opened_is_none(
    sessions: SessionStore, web: Desk, text: str
) -> None:
    assert await sessions.read(text, ALICE, "sse") is None
    await sessions.end(text)
    assert await web.redis.keys("{bridge}:session:*") == []


def test_session_ids_are_visible_ascii_and_never_the_same() -> None:
    minted = {new_session_id() for _ in range(100)}

    assert len(minted) == 100
    assert all(id_.isascii() and id_.isprintable() and " " not in id_ for id_ in minted)


# How many there may be


def limited(web: Desk, in_use_s: float = 0, **most: int) -> SessionStore:
    return SessionStore(web.steps, SessionLimits(in_use_s=in_use_s, **most))


async def opened(sessions: SessionStore, *names: str, principal: Principal = ALICE) -> None:
    for name in names:
        await sessions.write(replace(SETTLED, session_id=name, principal=principal))


async def grown_older(web: Desk, *names: str) -> None:
    """Let a second pass for these: all else may take less than a millisecond, the clock's step."""
    for index in ("sessions", f"sessions:{ALICE.server}:{ALICE.name}"):
        for name in names:
            assert await web.redis.zadd(f"{{bridge}}:{index}", {name: -1000}, xx=True, incr=True)


async def kept(sessions: SessionStore, *names: str, principal: Principal = ALICE) -> list[str]:
    return [name for name in names if await sessions.read(name, principal, "sse")]


async def test_the_session_that_was_idle_longest_makes_room_for_a_new_one(web: Desk) -> None:
    sessions = limited(web, of_principal=2)
    await opened(sessions, "one", "two")
    await grown_older(web, "one", "two")
    await sessions.read("one", ALICE, "sse")

    await opened(sessions, "three")

    assert await kept(sessions, "one", "two", "three") == ["one", "three"]


async def test_what_a_handshake_settles_needs_no_more_room(web: Desk) -> None:
    sessions = limited(web, of_principal=1)

    await opened(sessions, "one", "one")

    assert await kept(sessions, "one") == ["one"]


async def test_a_principal_that_uses_all_its_sessions_gets_no_more(web: Desk) -> None:
    sessions = limited(web, in_use_s=60, of_principal=1)
    await opened(sessions, "one")

    with pytest.raises(TooManySessionsError):
        await opened(sessions, "two")

    assert await kept(sessions, "one", "two") == ["one"]
    await opened(sessions, "of bob", principal=BOB)
    await sessions.end("one")
    await opened(sessions, "two")


async def test_nobody_gets_a_session_when_all_are_in_use(web: Desk) -> None:
    sessions = limited(web, in_use_s=60, of_all=1)
    await opened(sessions, "one")

    with pytest.raises(TransientError, match="BRIDGE_SESSIONS_MAX"):
        await opened(sessions, "of bob", principal=BOB)


async def test_a_stream_that_is_read_is_a_sign_of_life(web: Desk) -> None:
    sessions = limited(web, of_all=2)
    await opened(sessions, "one", "two")
    await grown_older(web, "one", "two")
    streams = StreamStore(web.steps, ProcessId("web_x"))
    reading = Reading("one", "standing", "reader")
    await streams.attach(reading)
    assert await streams.still_reads(reading)

    await opened(sessions, "three", principal=BOB)

    assert await kept(sessions, "one", "two") == ["one"]


async def test_an_expired_session_counts_no_more(web: Desk) -> None:
    sessions = limited(web, in_use_s=60, of_principal=1)
    await opened(sessions, "one")
    for index in ("sessions", f"sessions:{ALICE.server}:{ALICE.name}"):
        assert await web.redis.zadd(f"{{bridge}}:{index}", {"one": 1}, xx=True, ch=True)

    await opened(sessions, "two")

    assert await kept(sessions, "two") == ["two"]

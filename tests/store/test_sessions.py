"""Sessions: what a handshake settled in one process, another can go on with."""

from dataclasses import replace

import pytest

from bridge.models import Principal
from bridge.store.sessions import Session, SessionStore, new_session_id
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

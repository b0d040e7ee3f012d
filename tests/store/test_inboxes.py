"""How inboxes and lists stand: equal while nothing changes, told once when something does."""

from collections.abc import Awaitable, Callable

import pytest

from bridge.models import LeaseRef, Session
from bridge.store import inboxes as steps
from bridge.store.inboxes import InboxStore
from bridge.store.sessions import SessionStore
from tests.store.records import ALICE, HOOK, SERVER, Desk


@pytest.fixture
def inboxes(web: Desk) -> InboxStore:
    return InboxStore(web.steps)


async def taken(web: Desk) -> LeaseRef:
    held = await web.take()
    assert held
    return held


async def come(web: Desk) -> None:
    await web.accept()


async def go(web: Desk) -> None:
    await taken(web)


async def go_and_come(web: Desk) -> None:
    held = await taken(web)
    await web.accept()
    await web.events.answer(held, b"1")


async def come_back(web: Desk) -> None:
    held = await taken(web)
    await web.events.release(held, status="queued")


async def come_back_later(web: Desk) -> None:
    held = await taken(web)
    await web.events.release(held, status="delayed", delay_s=60)


Change = Callable[[Desk], Awaitable[None]]


@pytest.mark.parametrize("change", [come, go, go_and_come, come_back, come_back_later])
async def test_an_inbox_stands_otherwise_once_an_event_came_or_went(
    web: Desk, inboxes: InboxStore, change: Change
) -> None:
    await web.accept()
    before = await inboxes.stands(SERVER, [HOOK])
    assert await inboxes.stands(SERVER, [HOOK]) == before
    await change(web)
    assert await inboxes.stands(SERVER, [HOOK]) != before


async def test_what_is_taken_already_changes_no_inbox_when_it_is_settled(
    web: Desk, inboxes: InboxStore
) -> None:
    await web.accept()
    held = await taken(web)
    before = await inboxes.stands(SERVER, [HOOK])
    await web.events.answer(held, b"1")
    assert await inboxes.stands(SERVER, [HOOK]) == before


async def test_a_session_hears_of_what_it_asked_for_until_it_was_told(
    web: Desk, inboxes: InboxStore
) -> None:
    await SessionStore(web.steps).write(Session("one", ALICE, "sse", ""))
    for _ in range(2):
        await inboxes.hear("one", SERVER, HOOK)
    await web.accept()
    heard = await inboxes.look("one", SERVER)
    assert heard
    assert heard.news == (HOOK,)
    for _ in range(2):
        await inboxes.told("one", heard.inboxes, {"tools": "a"})
        told = await inboxes.look("one", SERVER)
        assert told
        assert told.news == ()
        assert told.shown == {"tools": "a"}


async def test_to_ask_again_does_not_hide_what_came_in_between(
    web: Desk, inboxes: InboxStore
) -> None:
    await SessionStore(web.steps).write(Session("one", ALICE, "sse", ""))
    await inboxes.hear("one", SERVER, HOOK)
    await web.accept()
    await inboxes.hear("one", SERVER, HOOK)
    heard = await inboxes.look("one", SERVER)
    assert heard
    assert heard.news == (HOOK,)


async def test_who_has_heard_enough_or_has_ended_hears_nothing(
    web: Desk, inboxes: InboxStore
) -> None:
    sessions = SessionStore(web.steps)
    await sessions.write(Session("one", ALICE, "sse", ""))
    await inboxes.hear("one", SERVER, HOOK)
    await inboxes.hear_no_more("one", HOOK)
    await inboxes.told("one", {HOOK: "a late reader"}, {})
    heard = await inboxes.look("one", SERVER)
    assert heard
    assert heard.inboxes == {}
    await sessions.end("one")
    await inboxes.hear("one", SERVER, HOOK)
    await inboxes.told("one", {}, {"tools": "a"})
    assert await inboxes.look("one", SERVER) is None


async def test_a_list_that_became_another_is_told_for_a_while(
    inboxes: InboxStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await inboxes.changed_lists(SERVER, {"tools": "a", "prompts": "p"}) == []
    for _ in range(2):
        assert await inboxes.changed_lists(SERVER, {"tools": "b", "prompts": "p"}) == ["tools"]
    monkeypatch.setattr(steps, "CHANGED_WITHIN_S", 0.0)
    assert await inboxes.changed_lists(SERVER, {"tools": "b", "prompts": "p"}) == []

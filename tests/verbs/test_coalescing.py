"""Coalescing: which requests are about one matter, as the hook's file says it."""

from typing import Any

import pytest

from bridge.configuration.servers import Server
from bridge.formats.payloads import Content
from bridge.models import Body, Event, Json
from bridge.runtime import Runtime
from bridge.verbs.intake import Incoming
from tests.apps import there
from tests.verbs.desk import ADDRESS, ALICE

AUTH = {"auth": {"bearer": "hook"}}
TICKETS = {**AUTH, "coalesce": {"key": "/ticket/id", "window": "30s"}}
DESK = Server.model_validate({"name": "desk", "hooks": {"ticket": TICKETS, "mail": TICKETS}})


async def send(web: Runtime, payload: Json, hook: str = "ticket", **said: Any) -> Event:
    incoming = Incoming(Content(payload, Body(b"{}", "application/json")), **said)
    event, is_duplicate = await web.web.intake.accept(DESK, DESK.hooks[hook], incoming)
    assert not is_duplicate
    return event


def ticket(key: Json, text: str = "") -> Json:
    return {"ticket": {"id": key}, "text": text}


async def test_requests_about_one_matter_become_one_event(web: Runtime) -> None:
    events = [await send(web, ticket(7, text)) for text in ("new", "edited", "closed")]

    assert len({event.event_id for event in events}) == 1
    taken = await web.mcp.takers.take(DESK, ALICE, None, 0, there)
    assert taken
    assert taken.event.merged == 2
    assert await web.mcp.takers.take(DESK, ALICE, None, 0, there) is None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (ticket(7), ticket("7")),
        (ticket(None), ticket(None)),
        ({}, {}),
        ([], "text"),
        (ticket({"a": 1}), ticket({"a": 2})),
    ],
)
async def test_requests_that_share_no_key_stay_two_events(
    web: Runtime, first: Json, second: Json
) -> None:
    assert (await send(web, first)).event_id != (await send(web, second)).event_id


async def test_a_key_is_one_hooks_alone(web: Runtime) -> None:
    ticket_event, mail = await send(web, ticket(7)), await send(web, ticket(7), "mail")
    assert ticket_event.event_id != mail.event_id


async def test_a_request_that_somebody_waits_on_merges_with_nothing(web: Runtime) -> None:
    plain = await send(web, ticket(7))
    waiting = await send(web, ticket(7), reply_url=ADDRESS)
    last = await send(web, ticket(7))

    assert waiting.event_id != plain.event_id
    assert last.event_id == plain.event_id

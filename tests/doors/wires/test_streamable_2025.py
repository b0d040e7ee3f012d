"""The 2025 wires of Streamable HTTP: sessions, streams of their own, and how both survive drops."""

import contextlib

import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from bridge.app import BridgeApp
from bridge.mcp.wires.stream_reader import COME_BACK_MS, RETRY_MS
from tests.claude import Spread, sentence
from tests.conformance.endpoint import NAME as FIXTURES
from tests.doors.by_hand import (
    ALICE,
    BOB,
    BOTH,
    Event,
    Session,
    answering,
    authorization,
    call,
    events,
    frames,
    handshake,
    messages,
    notification,
    open_session,
    request,
)
from tests.doors.telling import Accepting

# Logs are deprecated, and still a client's to hear.
pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")

USER = Accepting({"username": "alice", "email": "a@b.c"})
QUESTION = "Who are you?"
ANSWER = {"username": "alice", "email": "alice@example.org"}


# Sessions


async def test_initialize_opens_a_session_of_the_version_asked_for(
    web: str, http: httpx2.AsyncClient
) -> None:
    headers = authorization(ALICE) | {"accept": BOTH}
    answer = await http.post(
        f"{web}/mcp/desk", json=request("initialize", **handshake("2025-06-18")), headers=headers
    )
    assert answer.json()["result"]["protocolVersion"] == "2025-06-18"
    assert answer.json()["result"]["instructions"] == "What the tests work at."
    assert answer.json()["result"]["serverInfo"]["title"] == "The desk"
    assert answer.headers["mcp-session-id"].isascii()
    assert answer.headers["mcp-session-id"].isprintable()


async def test_any_process_serves_any_session(session: Session, other_web: str) -> None:
    answer = await session.at(f"{other_web}/mcp/desk").post(request("ping", 7))
    assert answer.json() == {"jsonrpc": "2.0", "id": 7, "result": {}}


async def test_an_initialize_that_fails_opens_no_session(
    web: str, http: httpx2.AsyncClient
) -> None:
    headers = authorization(ALICE) | {"accept": BOTH}
    answer = await http.post(f"{web}/mcp/desk", json=request("initialize"), headers=headers)
    assert answer.json()["error"]["code"] == -32602
    assert "mcp-session-id" not in answer.headers


async def test_a_request_without_a_session_is_told_to_initialize(
    web: str, http: httpx2.AsyncClient
) -> None:
    headers = authorization(ALICE) | {"accept": BOTH}
    answer = await http.post(f"{web}/mcp/desk", json=request("tools/list"), headers=headers)
    assert answer.status_code == 400
    assert "initialize" in answer.json()["error"]["message"]


async def test_a_version_that_the_session_cannot_have_is_refused(session: Session) -> None:
    headers = session.headers | {"mcp-protocol-version": "2024-01-01"}
    answer = await session.http.post(session.url, json=request("ping"), headers=headers)
    assert answer.status_code == 400


async def test_a_session_of_nobody_is_not_found(session: Session) -> None:
    stranger = Session(session.http, session.url, "no-such-session")
    assert (await stranger.post(request("ping"))).status_code == 404
    assert (await stranger.end()).status_code == 404
    async with stranger.listen() as answer:
        assert answer.status_code == 404


async def test_another_principals_session_looks_unknown(session: Session) -> None:
    stolen = Session(session.http, session.url, session.session_id, token=BOB)
    assert (await stolen.post(request("ping"))).status_code == 404
    assert (await stolen.end()).status_code == 404
    assert (await session.post(request("ping"))).status_code == 200


async def test_another_servers_session_looks_unknown(session: Session, web: str) -> None:
    assert (await session.at(f"{web}/mcp/{FIXTURES}").post(request("ping"))).status_code == 404


async def test_an_ended_session_is_gone_everywhere(session: Session, other_web: str) -> None:
    assert (await session.end()).status_code == 200
    assert (await session.post(request("ping"))).status_code == 404
    assert (await session.at(f"{other_web}/mcp/desk").post(request("ping"))).status_code == 404


async def test_the_end_of_a_session_ends_its_streams(session: Session, other_web: str) -> None:
    async with session.at(f"{other_web}/mcp/desk").listen() as standing:
        stream = events(standing)
        await anext(stream)
        await session.end()
        assert [event async for event in stream if not event.comment] == []


async def test_draining_ends_the_standing_stream_and_says_how_soon_to_come_back(
    session: Session, app: BridgeApp
) -> None:
    async with session.listen() as standing:
        stream = events(standing)
        await anext(stream)
        app.drain()
        assert [event async for event in stream if not event.comment] == [
            Event(retry_ms=COME_BACK_MS)
        ]


# Answers


async def test_what_needs_no_stream_is_answered_as_json(session: Session) -> None:
    answer = await session.post(request("tools/list", 3))
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["id"] == 3


async def test_an_unknown_tool_is_a_protocol_error(session: Session) -> None:
    async with session.stream(call("no_such_tool", 4)) as answer:
        told = [event.message async for event in messages(answer)]
    assert [message["error"]["code"] for message in told] == [-32602]


async def test_an_unknown_method_is_a_protocol_error(session: Session) -> None:
    assert (await session.post(request("no/such"))).json()["error"]["code"] == -32601


async def test_a_request_of_the_wrong_shape_is_a_protocol_error(session: Session) -> None:
    async with session.stream(request("tools/call", 5, name=["stamp"])) as answer:
        told = [event.message async for event in messages(answer)]
    assert [(message["id"], message["error"]["code"]) for message in told] == [(5, -32602)]


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream", "text/html"])
async def test_a_client_must_accept_both_kinds_of_answer(session: Session, accept: str) -> None:
    answer = await session.http.post(
        session.url, json=request("ping"), headers=session.headers | {"accept": accept}
    )
    assert answer.status_code == 406


async def test_a_client_that_listens_must_accept_events(session: Session) -> None:
    headers = session.headers | {"accept": "application/json"}
    assert (await session.http.get(session.url, headers=headers)).status_code == 406


async def test_several_requests_have_several_streams(session: Session) -> None:
    async with contextlib.AsyncExitStack() as stack:
        answers = [
            await stack.enter_async_context(session.stream(call("list_calls", number)))
            for number in range(1, 4)
        ]
        told = [[event async for event in messages(answer)] for answer in answers]
    assert [event.message["id"] for found in told for event in found] == [1, 2, 3]
    assert len({(event.id or "").partition("/")[0] for found in told for event in found}) == 3


async def test_every_frame_says_where_to_resume_after_it(fixtures: Session) -> None:
    async with fixtures.stream(call("test_tool_with_logging")) as answer:
        assert answer.headers["x-accel-buffering"] == "no"
        assert answer.headers["content-type"].startswith("text/event-stream")
        ids = [event.id or "" async for event in frames(answer)]
    assert len(set(ids)) == 5
    assert len({event_id.partition("/")[0] for event_id in ids}) == 1


async def test_a_stream_begins_with_a_place_and_a_pause(fixtures: Session) -> None:
    """Source: MCP 2025-11-25, SEP-1699."""
    async with fixtures.stream(call("test_simple_text")) as answer:
        primed = await anext(events(answer))
    assert primed.id
    assert primed.data == ""
    assert primed.name is None
    assert primed.retry_ms == RETRY_MS


async def test_older_clients_get_no_empty_event(web: str, http: httpx2.AsyncClient) -> None:
    old = await open_session(http, f"{web}/mcp/{FIXTURES}", version="2025-06-18")
    async with old.stream(call("test_simple_text")) as answer:
        told = [event async for event in frames(answer)]
    assert [event.message["id"] for event in told] == [1]


async def test_a_silent_stream_shows_that_it_lives(session: Session) -> None:
    async with session.stream(call("take_event", wait_seconds=30)) as answer:
        stream = events(answer)
        comments = [event.comment for event in [await anext(stream) for _ in range(4)]]
    assert comments == [None, "keepalive", "keepalive", "keepalive"]


async def test_a_standing_stream_shows_that_it_lives(session: Session) -> None:
    async with session.listen() as standing:
        assert standing.headers["x-accel-buffering"] == "no"
        stream = events(standing)
        comments = [event.comment for event in [await anext(stream) for _ in range(3)]]
    assert comments == [None, "keepalive", "keepalive"]


async def test_a_request_that_is_being_served_is_not_served_twice(
    fixtures: Session, other_web: str
) -> None:
    """Source: MCP 2025-11-25, "Requests": no id is used twice within a session."""
    elsewhere = fixtures.at(f"{other_web}/mcp/{FIXTURES}")
    async with fixtures.stream(call("test_elicitation", 5, message=QUESTION)) as answer:
        await anext(messages(answer))
        again = await elsewhere.post(call("test_elicitation", 5, message=QUESTION))
    assert again.status_code == 409


# Questions from server to client


async def test_a_question_comes_on_the_stream_and_any_process_takes_its_answer(
    fixtures: Session, other_web: str
) -> None:
    async with fixtures.stream(call("test_elicitation", 9, message=QUESTION)) as answer:
        told = messages(answer)
        asked = await anext(told)
        assert asked.message["method"] == "elicitation/create"
        assert asked.message["params"]["message"] == QUESTION
        elsewhere = fixtures.at(f"{other_web}/mcp/{FIXTURES}")
        assert (await elsewhere.post(answering(asked, ANSWER))).status_code == 202
        last = await anext(told)
    assert last.message["id"] == 9
    assert "alice@example.org" in str(last.message["result"])


async def test_a_clients_refusal_to_answer_reaches_the_tool(fixtures: Session) -> None:
    async with fixtures.stream(call("test_elicitation", message=QUESTION)) as answer:
        told = messages(answer)
        asked = await anext(told)
        error = {"code": -32601, "message": "nobody is here"}
        await fixtures.post({"jsonrpc": "2.0", "id": asked.message["id"], "error": error})
        assert (await anext(told)).message["error"] == error


async def test_a_question_that_is_not_answered_in_time_is_taken_back(fixtures: Session) -> None:
    async with fixtures.stream(call("impatient", 2)) as answer:
        asked, taken_back, last = [event.message async for event in messages(answer)]
    assert taken_back["method"] == "notifications/cancelled"
    assert taken_back["params"]["requestId"] == asked["id"]
    assert last["id"] == 2
    assert "not answered in time" in last["error"]["message"]


async def test_an_answer_that_nobody_waits_for_is_taken_and_dropped(fixtures: Session) -> None:
    stray = {"jsonrpc": "2.0", "id": "what:ever" * 1000, "result": {}}
    assert (await fixtures.post(stray)).status_code == 202


async def test_what_belongs_to_no_request_comes_on_the_standing_stream(
    fixtures: Session, other_web: str
) -> None:
    async with fixtures.at(f"{other_web}/mcp/{FIXTURES}").listen() as standing:
        told = messages(standing)
        async with fixtures.stream(call("aside")) as answer:
            own = [event.message async for event in messages(answer)]
        aside = await anext(told)
    assert [message["id"] for message in own] == [1]
    assert aside.message["method"] == "notifications/message"
    assert aside.message["params"]["data"] == "By the way"


async def test_a_client_is_asked_across_processes(web: str, other_web: str) -> None:
    async with httpx2.AsyncClient(transport=Spread([web, other_web]), timeout=20) as http:
        transport = streamable_http_client(f"{web}/mcp/{FIXTURES}", http_client=http)
        async with Client(transport, mode="legacy", elicitation_callback=USER) as client:
            result = await client.call_tool("test_elicitation", {"message": QUESTION})
    assert "a@b.c" in sentence(result)


# Cancelling


async def test_a_cancelled_request_ends_at_once_whoever_serves_it(
    fixtures: Session, other_web: str
) -> None:
    elsewhere = fixtures.at(f"{other_web}/mcp/{FIXTURES}")
    async with fixtures.stream(call("test_elicitation", 6, message=QUESTION)) as answer:
        told = messages(answer)
        await anext(told)
        await elsewhere.post(notification("notifications/cancelled", requestId=6))
        last = await anext(told)
        assert [event async for event in told] == []
    assert last.message == {
        "jsonrpc": "2.0",
        "id": 6,
        "error": {"code": -32800, "message": "Request cancelled"},
    }


async def test_cancelling_what_is_not_there_is_taken_and_dropped(fixtures: Session) -> None:
    for request_id in (77, "x:y" * 1000, None):
        stray = notification("notifications/cancelled", requestId=request_id)
        assert (await fixtures.post(stray)).status_code == 202

"""The Events extension: what comes on a hook, polled or streamed, and nothing taken by it."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

import httpx2
import pytest
from pydantic import SecretStr

from bridge.app import BridgeApp
from bridge.configuration.credentials import BearerAuth
from bridge.configuration.servers import Hook, Server
from bridge.configuration.settings import Settings
from bridge.mcp.event_webhooks import EXTENSION
from bridge.mcp.tool_results import DATA_NOTICE
from tests.doors.by_hand import Event, Message, Modern, answer_on, events, request
from tests.doors.conftest import KEEPALIVE_S
from tests.doors.every_wire import Ask, asking, send
from tests.serving import serving

SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
LONG_AGO = "1"


@pytest.fixture
async def ask(http: httpx2.AsyncClient, web: str) -> AsyncIterator[Ask]:
    async with asking("2026", http, web) as ask:
        yield ask


async def poll(ask: Ask, cursor: str | None, **wanted: object) -> Message:
    """Poll the letters; returns the result."""
    answer = await ask("events/poll", name="letters", cursor=cursor, **wanted)
    result: Message = answer["result"]
    assert result["resultType"] == "complete"
    return result


@contextlib.asynccontextmanager
async def streaming(
    http: httpx2.AsyncClient, web: str, cursor: str | None = None, **wanted: object
) -> AsyncIterator[AsyncGenerator[Event, None]]:
    """Open a stream of the letters."""
    message = request("events/stream", 7, name="letters", cursor=cursor, **wanted)
    async with (
        Modern(http, f"{web}/mcp/desk").stream(message) as answer,
        contextlib.aclosing(events(answer)) as stream,
    ):
        yield stream


async def told(stream: AsyncGenerator[Event, None], what: str) -> Message:
    """Read on to the next message of a kind, past signs of life; returns its parameters."""
    while True:
        message = await answer_on(stream)
        params: Message = message["params"]
        assert params["_meta"] == {SUBSCRIPTION: 7}
        if message["method"] == f"notifications/events/{what}":
            return params
        assert message["method"] == "notifications/events/heartbeat"


# What there is


async def test_the_extension_is_advertised(ask: Ask) -> None:
    capabilities = (await ask("server/discover"))["result"]["capabilities"]
    assert capabilities["extensions"][EXTENSION] == {"listChanged": True}


async def test_each_hook_is_a_type_of_event(ask: Ask) -> None:
    result = (await ask("events/list"))["result"]
    assert result["resultType"] == "complete"
    (letters,) = result["events"]
    assert letters["name"] == "letters"
    assert letters["description"] == "Letters from readers; answer with thanks."
    assert letters["delivery"] == ["poll", "push", "webhook"]
    assert letters["inputSchema"]["properties"] == {}
    assert letters["payloadSchema"]["properties"]["payload"] == {}


async def test_a_type_of_event_refers_to_its_own_root(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    payload = {"$ref": "#/$defs/letter", "$defs": {"letter": {"type": "object"}}}
    letters = Hook(auth=(BearerAuth(token=SecretStr("n8n")),), payload=payload)
    app = BridgeApp(settings, {"desk": Server(name="desk", hooks={"letters": letters})})
    async with serving(app) as web, asking("2026", http, web) as ask:
        (told,) = (await ask("events/list"))["result"]["events"]
    assert told["payloadSchema"]["properties"]["payload"] == {
        "$id": "urn:n8n-hook:letters",
        **payload,
    }


# Poll


async def test_a_poll_without_a_cursor_begins_now(
    ask: Ask, http: httpx2.AsyncClient, web: str
) -> None:
    await send(http, web, "before")
    begun = await poll(ask, None)
    assert (begun["events"], begun["truncated"], begun["hasMore"]) == ([], False, False)
    assert (await poll(ask, begun["cursor"]))["events"] == []


async def test_what_comes_is_polled_once_at_any_process(
    ask: Ask, http: httpx2.AsyncClient, web: str, other_web: str
) -> None:
    cursor = (await poll(ask, None))["cursor"]
    event_id = await send(http, web, {"letter": "Dear all"})
    async with asking("2026", http, other_web) as elsewhere:
        polled = await poll(elsewhere, cursor)
    (occurrence,) = polled["events"]
    assert (occurrence["eventId"], occurrence["name"]) == (event_id, "letters")
    assert occurrence["data"] == {
        "event_id": event_id,
        "hook": "letters",
        "status": "queued",
        "uri": f"event://desk/letters/{event_id}",
        "notice": DATA_NOTICE,
        "payload": {"letter": "Dear all"},
    }
    assert (await poll(ask, polled["cursor"]))["events"] == []


async def test_a_backlog_is_polled_in_order_and_in_parts(
    ask: Ask, http: httpx2.AsyncClient, web: str
) -> None:
    page = await poll(ask, None)
    sent = [await send(http, web, n) for n in range(5)]
    seen: list[str] = []
    page["hasMore"] = True
    while page["hasMore"]:
        page = await poll(ask, page["cursor"], maxEvents=2)
        seen += [occurrence["eventId"] for occurrence in page["events"]]
    assert seen == sent


async def test_an_event_is_told_whatever_has_become_of_it(
    ask: Ask, http: httpx2.AsyncClient, web: str
) -> None:
    cursor = (await poll(ask, None))["cursor"]
    event_id = await send(http, web, "Dear all")
    taken = await ask("tools/call", name="take_event", arguments={})
    assert taken["result"]["structuredContent"]["event_id"] == event_id
    (occurrence,) = (await poll(ask, cursor))["events"]
    assert occurrence["data"]["status"] == "leased"


async def test_of_a_long_payload_the_start_is_told_and_how_to_read_on(
    ask: Ask, http: httpx2.AsyncClient, web: str
) -> None:
    cursor = (await poll(ask, None))["cursor"]
    await send(http, web, "long " * 10_000)
    (occurrence,) = (await poll(ask, cursor))["events"]
    assert "payload" not in occurrence["data"]
    assert occurrence["data"]["text"].startswith('"long long')
    assert "read_event" in occurrence["data"]["read_on"]


async def test_polling_takes_nothing(ask: Ask, http: httpx2.AsyncClient, web: str) -> None:
    event_id = await send(http, web, "Dear all")
    await poll(ask, LONG_AGO)
    taken = (await ask("tools/call", name="take_event", arguments={}))["result"]
    assert taken["structuredContent"]["event_id"] == event_id
    assert taken["structuredContent"]["attempt"] == 1


async def test_a_cursor_older_than_what_is_kept_says_that_something_may_be_missing(
    ask: Ask, http: httpx2.AsyncClient, web: str
) -> None:
    event_id = await send(http, web, "Dear all")
    polled = await poll(ask, LONG_AGO)
    assert polled["truncated"]
    assert [occurrence["eventId"] for occurrence in polled["events"]] == [event_id]
    assert not (await poll(ask, polled["cursor"]))["truncated"]


async def test_what_is_older_than_wanted_is_left_out(
    ask: Ask, http: httpx2.AsyncClient, web: str
) -> None:
    cursor = (await poll(ask, None))["cursor"]
    await send(http, web, "Dear all")
    polled = await poll(ask, cursor, maxAgeMs=0)
    assert (polled["events"], polled["truncated"]) == ([], True)


@pytest.mark.parametrize("method", ["events/poll", "events/stream"])
@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"name": "parcels"}, -32023),
        ({"name": "letters", "arguments": {"from": "x"}}, -32602),
        ({"name": "letters", "cursor": "x"}, -32602),
        ({"name": "letters", "maxAgeMs": -1}, -32602),
    ],
)
async def test_a_subscription_that_cannot_be_is_refused(
    ask: Ask, method: str, wrong: Message, code: int
) -> None:
    assert (await ask(method, **wrong))["error"]["code"] == code


@pytest.mark.parametrize("wire", ["2025", "sse"])
async def test_older_wires_know_nothing_of_it(
    http: httpx2.AsyncClient, web: str, wire: str
) -> None:
    async with asking(wire, http, web) as ask:
        for method in ("events/list", "events/poll", "events/stream"):
            answer = await ask(method, name="letters")
            assert answer["error"]["code"] == -32601


# Push


async def test_a_stream_says_where_it_begins_and_then_what_comes(
    http: httpx2.AsyncClient, web: str, other_web: str
) -> None:
    await send(http, web, "before")
    async with streaming(http, web) as stream:
        assert not (await told(stream, "active"))["truncated"]
        event_id = await send(http, other_web, {"letter": "Dear all"})
        occurrence = await told(stream, "event")
        assert occurrence["eventId"] == event_id
        assert occurrence["data"]["payload"] == {"letter": "Dear all"}


async def test_a_stream_goes_on_where_another_ended(
    http: httpx2.AsyncClient, web: str, other_web: str
) -> None:
    async with streaming(http, web) as stream:
        await told(stream, "active")
        first = await send(http, web, 1)
        seen = await told(stream, "event")
        assert seen["eventId"] == first
    second = await send(http, web, 2)
    async with streaming(http, other_web, seen["cursor"]) as stream:
        begun = await told(stream, "active")
        assert (begun["cursor"], begun["truncated"]) == (seen["cursor"], False)
        assert (await told(stream, "event"))["eventId"] == second


async def test_a_silent_stream_gives_signs_of_life_with_a_cursor(
    ask: Ask, http: httpx2.AsyncClient, web: str
) -> None:
    assert KEEPALIVE_S < 1
    async with streaming(http, web) as stream:
        await told(stream, "active")
        alive = await told(stream, "heartbeat")
    event_id = await send(http, web, "Dear all")
    (occurrence,) = (await poll(ask, alive["cursor"]))["events"]
    assert occurrence["eventId"] == event_id


async def test_a_stream_that_begins_too_early_says_so(http: httpx2.AsyncClient, web: str) -> None:
    async with streaming(http, web, LONG_AGO) as stream:
        begun = await told(stream, "active")
        assert begun["truncated"]
        assert int(begun["cursor"]) > int(LONG_AGO)
        event_id = await send(http, web, "Dear all")
        assert (await told(stream, "event"))["eventId"] == event_id


async def test_draining_ends_a_stream_with_its_result(
    http: httpx2.AsyncClient, web: str, app: BridgeApp
) -> None:
    async with streaming(http, web) as stream:
        await told(stream, "active")
        app.drain()
        message = await answer_on(stream)
        while "method" in message:
            message = await answer_on(stream)
    assert message["result"]["resultType"] == "complete"
    assert message["result"]["_meta"][SUBSCRIPTION] == 7

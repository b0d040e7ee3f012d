"""The audit: each act at each door writes its line, and what only tells writes none."""

import logging
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from bridge.app import ROUTES
from bridge.mcp.endpoint import McpEndpoint, tools_of
from bridge.models import CallId, new_lease_token
from bridge.net.receivers import Receivers
from bridge.store.new_calls import NewApproval
from tests.doors.auth.test_other_principals import modern
from tests.doors.by_hand import ALICE, Message, call, open_session, request
from tests.doors.every_wire import WIRES, asking
from tests.doors.oauth_by_hand import Flow, open_flow
from tests.doors.receiver import SECRET, receiving
from tests.doors.scoped import DESK, READER, client, send, token_for, told
from tests.store.call_records import new_call
from tests.working import with_receivers

Line = tuple[str, str, str]
Act = Callable[[Flow], Awaitable[object]]


@pytest.fixture
async def flow(redis_url: str) -> AsyncIterator[Flow]:
    async with open_flow(redis_url) as opened:
        yield opened


async def tool(flow: Flow, name: str, **arguments: object) -> Message:
    """Have alice use a tool; returns what it tells."""
    answer = await told(client(flow.http, flow.origin, ALICE), name, **arguments)
    found: Message = answer["result"].get("structuredContent") or {}
    return found


async def taken(flow: Flow) -> Message:
    """Have alice take a letter; returns what she then names it by."""
    await send(flow.runtime, "letters")
    event = await tool(flow, "take_event")
    return {"event_id": event["event_id"], "lease": event["lease"]}


async def reply(flow: Flow) -> None:
    await tool(flow, "reply_to_event", **await taken(flow), reply="Thanks")


async def extend(flow: Flow) -> None:
    await tool(flow, "extend_event", **await taken(flow), seconds=60)


async def release(flow: Flow) -> None:
    await tool(flow, "release_event", **await taken(flow), dead=True)


async def cancel_call(flow: Flow) -> None:
    started = await tool(flow, "stamp")
    await tool(flow, "cancel_call", call_id=started["call_id"])


async def task(flow: Flow) -> str:
    """Have alice start a task; returns its id."""
    started = await modern(flow.http, flow.origin, ALICE).post(call("stamp"))
    task_id: str = started.json()["result"]["taskId"]
    return task_id


async def cancel_task(flow: Flow) -> None:
    message = request("tasks/cancel", taskId=await task(flow))
    await modern(flow.http, flow.origin, ALICE).post(message)


async def update_task(flow: Flow, action: str = "accept") -> str:
    """Have a task ask, and its user answer; returns the id of the question."""
    task_id = await task(flow)
    headers = {"authorization": "Bearer hook", "bridge-call-id": task_id}
    asked = await flow.http.post(f"{flow.origin}/hooks/desk/letters", json="?", headers=headers)
    event_id: str = asked.json()["event_id"]
    answers = {event_id: {"action": action, "content": {"reply": "Yes"}}}
    message = request("tasks/update", taskId=task_id, inputResponses=answers)
    await modern(flow.http, flow.origin, ALICE).post(message)
    return event_id


async def hook(flow: Flow) -> None:
    headers = {"authorization": "Bearer hook"}
    await flow.http.post(f"{flow.origin}/hooks/desk/letters", json=1, headers=headers)


async def call_back(flow: Flow) -> None:
    started = CallId((await tool(flow, "stamp"))["call_id"])
    running = await flow.runtime.stores.runs.lease(started, new_lease_token())
    assert running
    address = f"{flow.origin}/callbacks/{started}?token={running.secret}"
    assert (await flow.http.post(address, json={"progress": 0.5})).status_code == 200


async def redrive(flow: Flow) -> None:
    await release(flow)
    (dead,) = (await tool(flow, "list_events", status="dead"))["events"]
    answer = await flow.http.post(f"{flow.origin}/events/{dead['event_id']}/redrive")
    assert answer.status_code == 200


async def of_event(flow: Flow, act: str) -> None:
    """Have an operator do something to an event that is taken."""
    event = await taken(flow)
    answer = await flow.http.post(f"{flow.origin}/events/{event['event_id']}/{act}")
    assert answer.is_success


async def of_call(flow: Flow, act: str) -> None:
    """Have an operator do something to a call."""
    started = await tool(flow, "stamp")
    answer = await flow.http.post(f"{flow.origin}/calls/{started['call_id']}/{act}")
    assert answer.is_success


async def of_unapproved_call(flow: Flow, act: str) -> None:
    """Have an operator decide about a call that waits for approval."""
    new = new_call(to_approve=NewApproval("digest", "console", 60))
    call_id = (await flow.runtime.stores.calls.create(new)).call_id
    found = (await flow.http.get(f"{flow.origin}/approvals")).json()["approvals"]
    assert [each["call_id"] for each in found] == [call_id]
    body = {"digest": found[0]["digest"], "reason": "why not"}
    wrong = await flow.http.post(
        f"{flow.origin}/calls/{call_id}/{act}", json=body | {"digest": "another"}
    )
    assert wrong.status_code == 409
    answer = await flow.http.post(f"{flow.origin}/calls/{call_id}/{act}", json=body)
    assert answer.is_success


async def pause(flow: Flow, place: str, *methods: str) -> None:
    """Have an operator pause a place, or pause and resume it."""
    for method in methods:
        answer = await flow.http.request(method, f"{flow.origin}/pauses/{place}")
        assert answer.is_success


async def consent(flow: Flow) -> None:
    await flow.register()
    await flow.code()


async def refuse(flow: Flow) -> None:
    await flow.register()
    _, form = await flow.page()
    await flow.answer(form, answer="no", token="")


async def refresh(flow: Flow) -> None:
    await flow.refresh((await flow.tokens())["refresh_token"])


async def revoke(flow: Flow) -> None:
    tokens = await flow.tokens()
    given = {"client_id": flow.client_id, "token": tokens["refresh_token"]}
    await flow.http.post(f"{flow.origin}/revoke", data=given)


async def use_a_code_twice(flow: Flow) -> None:
    await flow.register()
    code = await flow.code()
    for _ in range(2):
        await flow.exchange(code)


async def use_a_stale_refresh_token(flow: Flow) -> None:
    first = await flow.tokens()
    second = (await flow.refresh(first["refresh_token"])).json()
    await flow.refresh(second["refresh_token"])
    await flow.let_pass(600_000)
    await flow.refresh(first["refresh_token"])


async def refresh_twice(flow: Flow) -> None:
    first = await flow.tokens()
    for _ in range(2):
        await flow.refresh(first["refresh_token"])


async def of_webhooks(flow: Flow, method: str) -> None:
    """Have alice subscribe, and end that if asked."""
    with tempfile.TemporaryDirectory() as folder:
        async with receiving(Path(folder)) as receiver:
            receivers = Receivers(receiver.http)
            flow.app.mcp.runtime = with_receivers(flow.runtime, receivers).mcp
            where = {"url": receiver.url, "secret": SECRET}
            alice = client(flow.http, flow.origin, ALICE)
            for step in dict.fromkeys(("events/subscribe", method)):
                await alice.post(request(step, name="letters", delivery=where))


async def bulk(flow: Flow, act: str) -> None:
    """Count one event that is to expire, and go on from there."""
    await send(flow.runtime, "letters")
    wish = {"records": "events", "act": "expire", "filter": {"server": "desk"}}
    counted = (await flow.http.post(f"{flow.origin}/bulk", json=wish)).json()
    said = {"count": counted["count"]} if act == "confirm" else None
    await flow.http.post(f"{flow.origin}/bulk/{counted['bulk_id']}/{act}", json=said)


ALICES = "desk/alice"
TOOLS: dict[str, Act] = {
    "stamp": lambda flow: tool(flow, "stamp"),
    "look_up": lambda flow: tool(flow, "look_up"),
    "take_event": taken,
    "reply_to_event": reply,
    "extend_event": extend,
    "release_event": release,
    "cancel_call": cancel_call,
}
METHODS: dict[str, Act] = {
    "tasks/cancel": cancel_task,
    "tasks/update": update_task,
    "events/subscribe": partial(of_webhooks, method="events/subscribe"),
    "events/unsubscribe": partial(of_webhooks, method="events/unsubscribe"),
}
HTTP: dict[str, tuple[Act, Line]] = {
    "POST /hooks/{server}/{hook}": (hook, ("desk/hooks/letters", "event", "done")),
    "POST /callbacks/{call_id}": (call_back, ("n8n", "callback progress", "done")),
    "POST /events/{event_id}/redrive": (redrive, ("operator", "events redrive", "done")),
    "POST /events/{event_id}/release": (
        partial(of_event, act="release"),
        ("operator", "events release", "done"),
    ),
    "POST /events/{event_id}/expire": (
        partial(of_event, act="expire"),
        ("operator", "events expire", "done"),
    ),
    "POST /events/{event_id}/run-again": (
        partial(of_event, act="run-again"),
        ("operator", "events run-again", "new"),
    ),
    "POST /calls/{call_id}/cancel": (
        partial(of_call, act="cancel"),
        ("operator", "calls cancel", "done"),
    ),
    "POST /calls/{call_id}/run-again": (
        partial(of_call, act="run-again"),
        ("operator", "calls run-again", "new"),
    ),
    "POST /calls/{call_id}/approve": (
        partial(of_unapproved_call, act="approve"),
        ("operator", "calls approve", "done"),
    ),
    "POST /calls/{call_id}/refuse": (
        partial(of_unapproved_call, act="refuse"),
        ("operator", "calls refuse", "done"),
    ),
    "POST /pauses/{server}": (
        lambda flow: pause(flow, "desk", "POST"),
        ("operator", "pause", "done"),
    ),
    "DELETE /pauses/{server}": (
        lambda flow: pause(flow, "desk", "POST", "DELETE"),
        ("operator", "resume", "done"),
    ),
    "POST /pauses/{server}/{part}": (
        lambda flow: pause(flow, "desk/letters", "POST"),
        ("operator", "pause", "done"),
    ),
    "DELETE /pauses/{server}/{part}": (
        lambda flow: pause(flow, "desk/letters", "POST", "DELETE"),
        ("operator", "resume", "done"),
    ),
    "POST /bulk/{bulk_id}/confirm": (
        lambda flow: bulk(flow, "confirm"),
        ("operator", "bulk confirm", "done"),
    ),
    "POST /bulk/{bulk_id}/stop": (
        lambda flow: bulk(flow, "stop"),
        ("operator", "events expire", "stopped"),
    ),
    "POST /register": (Flow.register, ("unknown", "oauth register", "done")),
    "POST /consent": (consent, (ALICES, "oauth consent", "done")),
    "POST /token": (Flow.tokens, (ALICES, "oauth exchange", "done")),
    "POST /revoke": (revoke, (ALICES, "oauth revoke", "done")),
}
"""What acts, where it comes in, and the line that it leaves."""

TELLING_TOOLS = {"list_events", "read_event", "read_call", "list_calls"}
TELLING_METHODS = {
    "completion/complete",
    "events/list",
    "events/poll",
    "events/stream",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "server/discover",
    "subscriptions/listen",
    "tasks/get",
    "tools/list",
}
"""What changes nothing, or nothing but what its own client is told from then on."""

CARRYING = {
    f"{method} /{path}"
    for path in ("mcp/{server}", "mcp-2025/{server}")
    for method in ("POST", "GET", "DELETE")
} | {"GET /sse/{server}", "GET /sse/{server}/clients/{client}", "POST /sse/{server}/messages"}
"""What brings requests to tools and methods, and begins and ends sessions."""

TELLING_ROUTES = {
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "GET /hooks/{server}/{hook}",
    "GET /events/{event_id}",
    "GET /openapi.json",
    "GET /approvals",
    "GET /pauses",
    "GET /bulk",
    "POST /bulk",
    "GET /bulk/{bulk_id}",
    "GET /watch/{server}",
    "GET /.well-known/jwks.json",
    "GET /.well-known/oauth-protected-resource/{wire}/{server}",
    "GET /.well-known/oauth-authorization-server",
    "GET /.well-known/openid-configuration",
    "GET /consent",
    "GET /authorize",
    "POST /authorize",
}
"""What changes nothing; /authorize and /bulk put a question whose answer is the act."""


async def lines_of(act: Act, flow: Flow, caplog: pytest.LogCaptureFixture) -> list[Line]:
    """Do it; returns what the audit says of it. No act is without an id.

    Where it ended with a record of its own, whose id is what became of it, that is `new`.
    """
    with caplog.at_level(logging.INFO, "audit"):
        await act(flow)
    lines = [vars(line) for line in caplog.records if line.name == "audit"]
    assert all(line["which"] for line in lines)
    ended = ["new" if "_" in line["outcome"] else line["outcome"] for line in lines]
    return [(line["who"], line["what"], end) for line, end in zip(lines, ended, strict=True)]


def test_it_is_said_of_every_door_whether_it_acts() -> None:
    assert set(tools_of(DESK)) == TOOLS.keys() | TELLING_TOOLS
    served = set(vars(McpEndpoint(DESK).mcp)["_request_handlers"])
    assert served == METHODS.keys() | TELLING_METHODS | {"tools/call"}
    # What the console's forms do is said beside them, in tests/doors/console.
    routes = [route for route in ROUTES if not route.path.startswith("/console")]
    routed = {
        f"{method} {route.path}" for route in routes for method in (route.methods or set())
    } - {f"HEAD {route.path}" for route in routes}
    assert routed == HTTP.keys() | TELLING_ROUTES | CARRYING


@pytest.mark.parametrize("name", [*TOOLS, *METHODS])
async def test_each_tool_and_method_that_acts_leaves_one_line(
    flow: Flow, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    lines = await lines_of((TOOLS | METHODS)[name], flow, caplog)
    assert lines.count((ALICES, name, "done")) == 1
    assert [what for _, what, _ in lines].count(name) == 1
    timed = [line for line in caplog.records if getattr(line, "what", "") in TOOLS]
    assert all(vars(line)["duration_ms"] > 0 for line in timed), "a tool says how long it took"


@pytest.mark.parametrize("route", HTTP)
async def test_each_route_that_acts_leaves_one_line(
    flow: Flow, caplog: pytest.LogCaptureFixture, route: str
) -> None:
    act, line = HTTP[route]
    assert (await lines_of(act, flow, caplog)).count(line) == 1


@pytest.mark.parametrize("wire", WIRES)
async def test_an_act_leaves_its_line_whatever_wire_it_comes_by(
    flow: Flow, caplog: pytest.LogCaptureFixture, wire: str
) -> None:
    async def give_back(flow: Flow) -> None:
        event = await taken(flow)
        if wire == "2025":
            session = await open_session(flow.http, f"{flow.origin}/mcp/desk")
            await session.post(call("release_event", **event))
            return
        async with asking(wire, flow.http, flow.origin) as ask:
            await ask("tools/call", name="release_event", arguments=event)

    assert await lines_of(give_back, flow, caplog) == [
        (ALICES, "take_event", "done"),
        (ALICES, "release_event", "done"),
    ]


async def test_what_only_tells_leaves_no_line(flow: Flow, caplog: pytest.LogCaptureFixture) -> None:
    event_id = await send(flow.runtime, "letters")
    started = await tool(flow, "stamp")
    caplog.clear()

    async def look(flow: Flow) -> None:
        await tool(flow, "list_events")
        await tool(flow, "read_event", event_id=event_id)
        await tool(flow, "read_call", call_id=started["call_id"])
        await tool(flow, "list_calls")
        for method in ("ping", "tools/list", "prompts/list", "resources/list", "events/list"):
            await client(flow.http, flow.origin, ALICE).post(request(method))

    assert await lines_of(look, flow, caplog) == []


@pytest.mark.parametrize(
    ("act", "line"),
    [
        (refuse, ("unknown", "oauth consent", "refused")),
        (refresh, (ALICES, "oauth refresh", "done")),
        (refresh_twice, (ALICES, "oauth refresh", "done again")),
        (use_a_code_twice, (ALICES, "oauth exchange", "reused")),
        (use_a_stale_refresh_token, (ALICES, "oauth refresh", "reused")),
    ],
)
async def test_what_ends_a_grant_or_a_question_is_on_record_too(
    flow: Flow, caplog: pytest.LogCaptureFixture, act: Act, line: Line
) -> None:
    assert (await lines_of(act, flow, caplog)).count(line) == 1


@pytest.mark.parametrize(("action", "count"), [("decline", 1), ("cancel", 0)])
async def test_a_question_that_is_declined_is_on_record_and_one_left_open_is_not(
    flow: Flow, caplog: pytest.LogCaptureFixture, action: str, count: int
) -> None:
    lines = await lines_of(lambda flow: update_task(flow, action), flow, caplog)
    assert lines.count((ALICES, "tasks/update", "done")) == count


async def test_a_line_of_whoever_only_reads_says_what_they_ran(
    flow: Flow, caplog: pytest.LogCaptureFixture
) -> None:
    token = await token_for(flow.runtime, "reader", READER)

    async def look_up(flow: Flow) -> None:
        await told(client(flow.http, flow.origin, token), "look_up")

    assert await lines_of(look_up, flow, caplog) == [("desk/reader", "look_up", "done")]

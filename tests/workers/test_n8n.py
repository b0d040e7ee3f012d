"""The bridge's requests to n8n, seen byte by byte, and what becomes of them."""

import asyncio
import contextlib
import gzip
import json
import logging
import re
import ssl
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from bridge.configuration.server_options import sets_header
from bridge.configuration.servers import Annotations, BasicAuth, BearerAuth, HeaderAuth, Workflow
from bridge.formats.trace_context import traceparent
from bridge.local.ports import free_port
from bridge.models import Json
from bridge.n8n import connections
from bridge.n8n.client import MarkSent, N8n, WorkflowRequest
from bridge.n8n.failures import undelivered, unreachable
from bridge.n8n.outcomes import (
    Again,
    Answered,
    AskAgain,
    Dead,
    Delivered,
    MaybeRun,
    NotRegistered,
    NotRun,
    Refused,
    RunOutcome,
    Unknown,
)
from bridge.n8n.reply_address import ReplyAddress
from bridge.standin.faults import InjectedFault
from bridge.standin.serving import serving
from bridge.standin.standin import Standin
from tests.raw_server import OK, RawServer, raw_server
from tests.waiting import wait_until

CALL_ID = "call_abc"
CALLBACK_URL = "http://127.0.0.1:8080/callbacks/call_abc?token=t"


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    async with raw_server() as listening:
        yield listening


@pytest.fixture
async def n8n(server: RawServer) -> AsyncIterator[N8n]:
    """Ends before the server does, so that no connection is on its way to that then."""
    async with N8n() as speaker:
        yield speaker


def workflow(url: str, **members: Any) -> Workflow:
    return Workflow(url=url, **members)


async def run(
    n8n: N8n,
    called: Workflow,
    arguments: dict[str, Json] | None = None,
    *,
    attempt: int = 1,
    timeout_s: float = 10,
    callback_url: str | None = None,
) -> RunOutcome:
    trace = traceparent("", CALL_ID, attempt)
    asked = WorkflowRequest(called, arguments or {}, CALL_ID, trace, callback_url)
    outcome = await n8n.run_workflow(asked, timeout_s)
    assert outcome
    return outcome


async def test_a_post_carries_its_arguments_as_json(n8n: N8n, server: RawServer) -> None:
    arguments: dict[str, Json] = {"text": "é\ud83d", "list": [1, None]}
    assert await run(n8n, workflow(f"{server.url}/webhook/x"), arguments) == Answered({})
    assert server.requests[-1].startswith(b"POST /webhook/x HTTP/1.1\r\n")
    assert json.loads(server.body) == arguments
    assert server.headers["content-type"] == "application/json"


async def test_a_get_carries_its_arguments_in_the_query(n8n: N8n, server: RawServer) -> None:
    called = workflow(f"{server.url}/webhook/x?fixed=1", method="GET")
    arguments: dict[str, Json] = {"a": "b c", "n": 2, "t": True, "l": ["x", "y"], "no": None}
    await run(n8n, called, arguments | {"deep": {"k": [1]}})
    assert server.requests[-1].startswith(b"GET ")
    query = httpx2.QueryParams(server.target.partition(b"?")[2].decode())
    assert query.multi_items() == [
        ("fixed", "1"),
        ("a", "b c"),
        ("n", "2"),
        ("t", "true"),
        ("l", "x"),
        ("l", "y"),
        ("deep", '{"k": [1]}'),
    ]
    assert server.body == b""


async def test_every_attempt_of_a_call_has_one_idempotency_key_and_one_trace(
    n8n: N8n, server: RawServer
) -> None:
    spans = []
    for attempt in (1, 2):
        await run(n8n, workflow(server.url), attempt=attempt)
        assert server.headers["idempotency-key"] == CALL_ID
        spans.append(server.headers["traceparent"])
    first, second = spans
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", first)
    assert first[:36] == second[:36]
    assert first != second


async def test_the_bridge_names_itself_and_is_no_bot(n8n: N8n, server: RawServer) -> None:
    await run(n8n, workflow(server.url))
    agent = server.headers["user-agent"]
    assert agent.startswith("n8n-claude-bridge/")
    assert "bot" not in agent.lower()
    # A Webhook node that ignores bots ignores whatever has a name and a version and no more.
    assert re.fullmatch(r"[\w.-]+/[\d.]+ \(\w+\)", agent)


@pytest.mark.parametrize(
    ("auth", "name", "value"),
    [
        (HeaderAuth(name="X-Key", value=SecretStr("k-1")), "x-key", "k-1"),
        (BearerAuth(token=SecretStr("b-1")), "authorization", "Bearer b-1"),
        (BasicAuth(user="u", password=SecretStr("p:é")), "authorization", "Basic dTpwOsOp"),
    ],
    ids=["header", "bearer", "basic"],
)
async def test_a_workflow_gets_its_credential(
    n8n: N8n, server: RawServer, auth: Any, name: str, value: str
) -> None:
    await run(n8n, workflow(server.url, auth=auth))
    assert server.headers[name] == value


async def test_a_workflow_s_own_headers_go_beside_its_credential(
    n8n: N8n, server: RawServer
) -> None:
    headers = {"CF-Access-Client-Id": SecretStr("id-1"), "X-Tenant": "Gröss"}
    await run(n8n, workflow(server.url, auth=BearerAuth(token=SecretStr("b")), headers=headers))

    assert server.headers["cf-access-client-id"] == "id-1"
    assert server.headers["x-tenant"].encode("latin-1").decode() == "Gröss"
    assert server.headers["authorization"] == "Bearer b"


async def test_no_header_that_the_bridge_sets_may_be_set_in_a_file(
    n8n: N8n, server: RawServer
) -> None:
    await run(n8n, workflow(server.url), callback_url=CALLBACK_URL)

    assert len(server.headers) > 5
    assert [name for name in server.headers if not sets_header(name)] == []


async def test_the_callback_address_goes_only_where_it_is_given(
    n8n: N8n, server: RawServer
) -> None:
    await run(n8n, workflow(server.url))
    assert "bridge-callback-url" not in server.headers
    await run(n8n, workflow(server.url), callback_url=CALLBACK_URL)
    assert server.headers["bridge-callback-url"] == CALLBACK_URL


async def test_no_redirect_is_followed() -> None:
    async with raw_server() as elsewhere:
        location = f"HTTP/1.1 302 Found\r\nLocation: {elsewhere.url}/\r\nContent-Length: 0\r\n\r\n"
        async with raw_server(location.encode()) as server, N8n() as n8n:
            assert isinstance(await run(n8n, workflow(server.url)), Refused)
            assert isinstance(
                await n8n.resume(ReplyAddress(server.url, "/x"), {}, event_id="evt_1"), Dead
            )
        assert elsewhere.requests == []


async def test_no_proxy_is_taken_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, server: RawServer
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    async with N8n() as n8n:
        assert await run(n8n, workflow(server.url)) == Answered({})


async def test_no_cookie_is_kept() -> None:
    async with raw_server(OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b\r\n\r\n")) as server:
        async with N8n() as n8n:
            for _ in range(2):
                await run(n8n, workflow(server.url, annotations=Annotations(idempotent=True)))
        assert "cookie" not in server.headers


async def test_no_address_is_logged(
    caplog: pytest.LogCaptureFixture, n8n: N8n, server: RawServer
) -> None:
    caplog.set_level(logging.DEBUG)
    await run(n8n, workflow(server.url, method="GET"), {"patient": "s3cr3t"})
    address = ReplyAddress(server.url, "/webhook-waiting/1?signature=s3cr3t")
    await n8n.resume(address, {}, event_id="evt_1")
    assert "s3cr3t" not in repr(address)
    assert "s3cr3t" not in caplog.text


@pytest.mark.parametrize(
    "target",
    [
        "/webhook-waiting/12/reply?signature=0a1b",
        "/webhook-waiting/12?signature=0a1b/reply",
        "/webhook-waiting/12?signature=%2f%7E&x=a+b%20c&&=",
        "/a//b/../c/./%41;p?q[]={}|^`\"<>'?&",
        "/?",
    ],
)
async def test_a_reply_goes_to_its_address_byte_for_byte(
    n8n: N8n, server: RawServer, target: str
) -> None:
    address = ReplyAddress(server.url, target)
    outcome = await n8n.resume(address, {"answer": "é"}, event_id="evt_1")
    assert outcome == Delivered()
    assert server.target == target.encode()
    assert server.headers["host"] == f"127.0.0.1:{server.port}"
    assert server.headers["idempotency-key"] == "evt_1"
    assert json.loads(server.body) == {"answer": "é"}


async def test_a_workflow_that_is_not_idempotent_never_runs_on_a_used_connection(
    n8n: N8n, server: RawServer
) -> None:
    for _ in range(3):
        await run(n8n, workflow(server.url))
    await wait_until(lambda: sum(server.carried) == 3, "the connections are closed")
    assert max(server.carried) == 1


async def ask(n8n: N8n, called: Workflow, mark_sent: MarkSent) -> RunOutcome | None:
    return await n8n.run_workflow(WorkflowRequest(called, {}, CALL_ID, ""), 10, mark_sent)


async def test_a_connection_is_there_before_a_call_is_on_record_as_sent(
    n8n: N8n, server: RawServer
) -> None:
    async def mark_sent() -> bool:
        await wait_until(lambda: server.connections == 1, "n8n is connected to")
        assert server.requests == []
        return True

    assert await ask(n8n, workflow(server.url), mark_sent) == Answered({})


async def test_a_call_that_n8n_cannot_be_reached_for_is_not_on_record_as_sent(n8n: N8n) -> None:
    async def mark_sent() -> bool:
        raise AssertionError("it was not sent")

    outcome = await ask(n8n, workflow(f"http://127.0.0.1:{free_port()}"), mark_sent)

    assert isinstance(outcome, NotRun)


@pytest.mark.parametrize("is_idempotent", [False, True])
async def test_where_no_byte_may_leave_none_does(
    n8n: N8n, server: RawServer, is_idempotent: bool
) -> None:
    async def mark_sent() -> bool:
        return False

    called = workflow(server.url, annotations=Annotations(idempotent=is_idempotent))
    assert await ask(n8n, called, mark_sent) is None
    assert server.requests == []


async def test_a_connection_that_waited_for_the_record_for_too_long_is_made_anew(
    n8n: N8n, server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "FRESH_S", -1)

    assert await run(n8n, workflow(server.url)) == Answered({})

    assert (server.connections, len(server.requests)) == (2, 1)


async def spare(n8n: N8n, called: Workflow) -> connections.FreshConnection:
    """Run a workflow twice in quick succession, and take the connection that is made ahead then."""
    found: list[connections.FreshConnection | None] = []
    for _ in range(2):
        await run(n8n, called)

    def is_there() -> bool:
        found.append(n8n.spare(called))
        return found[-1] is not None

    await wait_until(is_there, "a connection is made ahead")
    assert found[-1]
    return found[-1]


async def test_among_calls_in_quick_succession_a_connection_is_there_for_the_next(
    n8n: N8n, server: RawServer
) -> None:
    called = workflow(server.url)
    ahead = await spare(n8n, called)
    before = server.connections

    asked = WorkflowRequest(called, {}, CALL_ID, "")
    assert await n8n.run_workflow(asked, 10, spare=ahead) == Answered({})

    assert len(server.requests) == before == 3


async def test_no_connection_is_made_ahead_for_a_call_alone(n8n: N8n, server: RawServer) -> None:
    await run(n8n, workflow(server.url))

    assert n8n.spare(workflow(server.url)) is None
    assert server.connections == 1


async def test_a_connection_made_ahead_that_n8n_has_closed_is_not_used(n8n: N8n) -> None:
    closes = asyncio.Event()
    served: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(asyncio.current_task())
        heard = asyncio.ensure_future(reader.readuntil(b"\r\n\r\n"))
        closed = asyncio.ensure_future(closes.wait())
        await asyncio.wait({heard, closed}, return_when=asyncio.FIRST_COMPLETED)
        if heard.done():
            writer.write(OK)
        heard.cancel()
        closed.cancel()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1") as listening:
        called = workflow("http://{}:{}".format(*listening.sockets[0].getsockname()), method="GET")
        ahead = await spare(n8n, called)
        closes.set()
        await wait_until(lambda: ahead.is_stale, "it is known to be closed")
        await ahead.aclose()
        await wait_until(lambda: all(each and each.done() for each in served), "all are closed")


async def test_a_connection_made_ahead_is_closed_unless_it_is_used_soon(
    n8n: N8n, server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = workflow(server.url)
    monkeypatch.setattr(connections, "FRESH_S", 1)
    for _ in range(2):
        await run(n8n, called)

    await wait_until(lambda: sorted(server.carried) == [0, 1, 1], "it is closed unused")
    assert n8n.spare(called) is None


async def test_an_idempotent_workflow_and_replies_share_connections(
    n8n: N8n, server: RawServer
) -> None:
    for _ in range(3):
        await run(n8n, workflow(server.url, annotations=Annotations(idempotent=True)))
        await n8n.resume(ReplyAddress(server.url, "/x"), {}, event_id="evt_1")
    assert server.connections == 1


async def test_a_refused_connection_ran_nothing(n8n: N8n) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    outcome = await run(n8n, workflow(url))
    assert isinstance(outcome, NotRun)
    assert "is n8n running?" in outcome.reason
    reply = await n8n.resume(ReplyAddress(url, "/"), {}, event_id="evt_1")
    assert reply == Again(outcome.reason, unknown=False, is_down=True)


async def test_a_name_that_does_not_resolve_ran_nothing(n8n: N8n) -> None:
    outcome = await run(n8n, workflow("http://n8n.invalid/webhook/x"))
    assert isinstance(outcome, NotRun)
    assert "does not resolve" in outcome.reason


async def test_a_failure_of_tls_ran_nothing(n8n: N8n) -> None:
    async def speak_plainly(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        writer.close()

    async with await asyncio.start_server(speak_plainly, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        outcome = await run(n8n, workflow(f"https://127.0.0.1:{port}/"))
    assert isinstance(outcome, NotRun)
    assert "TLS" in outcome.reason


def test_a_certificate_that_is_not_trusted_is_named() -> None:
    failure = httpx2.ConnectError("")
    failure.__cause__ = ssl.SSLCertVerificationError("self-signed certificate")
    outcome = unreachable(failure)
    assert isinstance(outcome, NotRun)
    assert "certificate is not trusted" in outcome.reason


async def test_a_connection_that_breaks_before_the_answer_may_have_run(n8n: N8n) -> None:
    async with raw_server(b"", closes=True) as server:
        outcome = await run(n8n, workflow(server.url))
        reply = await n8n.resume(ReplyAddress(server.url, "/"), {}, event_id="evt_1")
    assert isinstance(outcome, MaybeRun)
    assert "may have run" in outcome.reason
    assert isinstance(reply, Again)
    assert reply.unknown


async def test_an_answer_that_breaks_off_may_have_run(n8n: N8n) -> None:
    async with raw_server(OK.replace(b"Length: 2", b"Length: 9"), closes=True) as server:
        assert isinstance(await run(n8n, workflow(server.url)), MaybeRun)


async def test_the_timeout_covers_the_whole_exchange(n8n: N8n) -> None:
    slow = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"
    for answer in (None, slow):
        async with raw_server(answer) as server:
            outcome = await run(n8n, workflow(server.url), timeout_s=1)
            assert isinstance(outcome, MaybeRun)
            assert "in time" in outcome.reason
            await wait_until(server.closed.is_set, "the connection is closed")


async def test_an_answer_above_the_limit_is_refused_and_says_that_it_ran() -> None:
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5_000_000
    async with raw_server(endless) as server, N8n(max_response_bytes=1000) as n8n:
        outcome = await run(n8n, workflow(server.url))
        assert isinstance(outcome, Refused)
        assert "the workflow ran" in outcome.reason
        await wait_until(server.closed.is_set, "the connection is closed")


async def test_a_header_that_cannot_be_sent_is_a_fault_of_the_file(
    n8n: N8n, server: RawServer
) -> None:
    broken = BearerAuth.model_construct(token=SecretStr("a\nb"))
    outcome = await run(n8n, Workflow.model_construct(url=server.url, auth=broken))
    assert isinstance(outcome, Refused)
    assert server.requests == []


async def test_giving_up_closes_the_connection(n8n: N8n) -> None:
    async with raw_server(None) as server:
        task = asyncio.create_task(run(n8n, workflow(server.url)))
        await wait_until(lambda: server.requests, "the request is there")
        task.cancel()
        await wait_until(server.closed.is_set, "the connection is closed")


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ({"kind": "starting_up"}, NotRun),
        ({"kind": "html_404"}, NotRun),
        ({"kind": "db_not_ready"}, NotRun),
        ({"kind": "not_registered"}, NotRegistered),
        ({"kind": "reset_before_answer"}, MaybeRun),
        ({"kind": "reset_after_run"}, MaybeRun),
        ({"kind": "status", "status": 524}, MaybeRun),
        ({"kind": "status", "status": 401}, Refused),
    ],
    ids=str,
)
async def test_each_trouble_of_n8n_is_known_for_what_it_is(
    n8n: N8n, fault: dict[str, Any], outcome: type[RunOutcome]
) -> None:
    async with Standin(has_control=True) as standin, serving(standin) as url:
        standin.faults.add(InjectedFault(path="/webhook/slow-tool", **fault))
        called = workflow(f"{url}/webhook/slow-tool")
        assert isinstance(await run(n8n, called, {"seconds": 0}), outcome)
        assert isinstance(await run(n8n, called, {"seconds": 0}), Answered)


@pytest.mark.timeout(120)
async def test_a_thousand_calls_wait_at_once(n8n: N8n) -> None:
    async with Standin(has_control=True) as standin, serving(standin) as url:
        called, arguments = workflow(f"{url}/webhook/slow-tool"), {"seconds": 600}
        calls = [
            asyncio.create_task(run(n8n, called, dict(arguments), timeout_s=100))
            for _ in range(1_000)
        ]
        await wait_until(lambda: len(standin.seen.of()) == 1_000, "all have arrived", 60)
        standin.stop_runs()
        outcomes = await asyncio.gather(*calls)
    assert all(isinstance(outcome, MaybeRun) for outcome in outcomes)


@pytest.mark.parametrize(
    "failure",
    [httpx2.ReadError(""), httpx2.WriteError(""), httpx2.RemoteProtocolError(""), TimeoutError()],
    ids=repr,
)
def test_after_the_first_byte_nothing_is_sure(failure: Exception) -> None:
    assert isinstance(unreachable(failure), MaybeRun)
    outcome = undelivered(failure)
    assert isinstance(outcome, Again)
    assert outcome.unknown


@pytest.mark.parametrize(
    "failure",
    [httpx2.ConnectError(""), httpx2.ConnectTimeout(""), httpx2.PoolTimeout("")],
    ids=repr,
)
def test_before_the_first_byte_nothing_ran(failure: Exception) -> None:
    assert isinstance(unreachable(failure), NotRun)
    outcome = undelivered(failure)
    assert isinstance(outcome, Again)
    assert not outcome.unknown


def coded(coding: str, body: bytes) -> bytes:
    head = f"Content-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n"
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + head.encode() + body


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(b'{"a":') + gzip.compress(b"1}")),
        ("deflate", zlib.compress(b'{"a":1}')),
        ("identity", b'{"a":1}'),
        ("UTF-8", b'\xef\xbb\xbf{"a":1}'),
    ],
    ids=["gzip", "deflate", "identity", "a charset"],  # gzip writes the time
)
async def test_an_answer_is_unzipped_though_nobody_asked_for_that(coding: str, body: bytes) -> None:
    async with raw_server(coded(coding, body)) as server, N8n() as n8n:
        assert await run(n8n, workflow(server.url)) == Answered({"a": 1})


@pytest.mark.parametrize(
    ("coding", "body", "said"),
    [
        ("gzip", gzip.compress(bytes(200_000)), "is longer than 100000 bytes"),
        ("gzip", gzip.compress(b"") * 2000, "cannot be read (Content-Encoding)"),
        ("br", b"\x0b\x03\x80", "cannot be read (Content-Encoding)"),
    ],
    ids=["a bomb", "many members", "another coding"],
)
async def test_an_answer_is_unzipped_no_further_than_it_may_be_long(
    coding: str, body: bytes, said: str
) -> None:
    async with raw_server(coded(coding, body)) as server, N8n(max_response_bytes=100_000) as n8n:
        outcome = await run(n8n, workflow(server.url))

    assert isinstance(outcome, Refused)
    assert said in outcome.reason


async def test_an_api_that_cannot_be_asked_is_asked_again(n8n: N8n) -> None:
    outcome = await n8n.look_at(f"http://127.0.0.1:{free_port()}", "key", "1")
    assert isinstance(outcome, AskAgain)
    assert "refuses connections" in outcome.reason


async def test_an_execution_longer_than_may_be_read_has_run_and_says_how_to_mend_that() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b" " * 2000
    async with raw_server(answer) as server, N8n(max_response_bytes=1000) as n8n:
        outcome = await n8n.look_at(server.url, "key", "1")
    assert isinstance(outcome, Unknown)
    assert "the workflow ran, but n8n keeps more than 1000 bytes" in outcome.reason


def test_a_reply_that_no_address_takes_is_dead() -> None:
    assert isinstance(undelivered(httpx2.UnsupportedProtocol("no http")), Dead)

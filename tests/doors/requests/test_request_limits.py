"""What a sender may cost before anybody knows it, over real connections."""

import asyncio
import contextlib
import logging
import resource
from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from bridge.local.ports import OpenFiles
from bridge.net import request_limits
from bridge.net.request_limits import HEAD_BYTES_MAX, PIPELINED_MAX
from tests.serving import serving_any
from tests.waiting import wait_until

KIB = 1024
MIB = 1024 * KIB
BEGIN = b"POST / HTTP/1.1\r\nHost: localhost\r\n"


class Echo:
    """Answers each request with the length of its body, or refuses it before its end."""

    def __init__(self) -> None:
        self.seen: list[Scope] = []
        self.left = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self.seen.append(scope)
        size, is_refused = 0, scope["path"] == "/refused"
        more = not is_refused
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left += 1
                return
            size += len(message["body"])
            more = message.get("more_body", False)
        status, body = (401, b"who are you?") if is_refused else (200, b"%d" % size)
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
def app() -> Echo:
    return Echo()


@pytest.fixture
async def port(app: Echo) -> AsyncIterator[int]:
    async with serving_any(app) as address:
        yield httpx2.URL(address).port or 0


@contextlib.asynccontextmanager
async def connected(
    port: int, *sent: bytes
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in sent:
            writer.write(piece)
            await writer.drain()
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def answers(port: int, *sent: bytes) -> bytes:
    """Send all, then read all that comes until the bridge closes."""
    async with connected(port, *sent) as (reader, _), asyncio.timeout(30):
        return await reader.read()


def status_in(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


TOO_LARGE = {
    "a header that does not end": [BEGIN + b"X: ", *[b"a" * 16 * KIB] * 5],
    "a name that does not end": [BEGIN, *[b"a" * 16 * KIB] * 5],
    "a request line that does not end": [b"GET /", *[b"a" * 16 * KIB] * 5],
    "a long request line": [b"GET /" + b"a" * 65 * KIB + b" HTTP/1.1\r\n\r\n"],
    "many headers": [BEGIN, *[b"X-%d: y\r\n" % number for number in range(9000)], b"\r\n"],
    "one piece": [BEGIN + b"X: " + b"a" * 65 * KIB + b"\r\n\r\n"],
    "a trailer that does not end": [
        BEGIN + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ",
        *[b"a" * 16 * KIB] * 5,
    ],
    "a chunk extension that does not end": [
        BEGIN + b"Transfer-Encoding: chunked\r\n\r\n5;",
        *[b"a" * 16 * KIB] * 5,
    ],
}


@pytest.mark.parametrize("what", TOO_LARGE)
async def test_headers_of_more_than_64_kib_are_refused_and_the_connection_closed(
    port: int, what: str
) -> None:
    answer = await answers(port, *TOO_LARGE[what])
    assert status_in(answer) == 431
    assert b"application/problem+json" in answer
    assert b"connection: close" in answer


async def test_headers_of_just_64_kib_are_served(port: int) -> None:
    head = BEGIN + b"Connection: close\r\nX: "
    rest = b"\r\n\r\n"
    answer = await answers(port, head, b"a" * (HEAD_BYTES_MAX - len(head) - len(rest)), rest)
    assert status_in(answer) == 200


async def test_a_long_body_and_the_next_request_in_one_piece_are_no_headers(port: int) -> None:
    body = BEGIN + b"Content-Length: 200000\r\n\r\n" + b"a" * 200_000
    answer = await answers(port, body + BEGIN + b"Connec", b"tion: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 2


async def test_what_follows_a_body_is_not_obeyed_as_a_header(port: int, app: Echo) -> None:
    head = BEGIN + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = await answers(port, head + b"1\r\na\r\n0\r\nAuthorization: Bearer x\r\n\r\n")
    assert answer.endswith(b"\r\n\r\n1")
    assert b"authorization" not in dict(app.seen[0]["headers"])


async def test_half_open_connections_are_closed_in_time(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_limits, "HEAD_S", 2)  # for which 200 must have connected
    silent, begun = 100, 100
    async with asyncio.timeout(30):
        read = await asyncio.gather(
            *[answers(port) for _ in range(silent)],
            *[answers(port, BEGIN + b"X: y") for _ in range(begun)],
        )
    assert read[:silent] == [b""] * silent
    assert {status_in(answer) for answer in read[silent:]} == {408}


async def test_a_header_that_comes_a_byte_at_a_time_has_no_more_time(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_limits, "HEAD_S", 1)
    async with connected(port, BEGIN) as (reader, writer), asyncio.timeout(30):
        reading = asyncio.create_task(reader.read())
        while not reading.done():
            writer.write(b"X: y\r\n")
            await asyncio.wait({reading}, timeout=0.02)
        assert status_in(await reading) == 408


async def test_a_body_that_comes_too_slowly_is_given_up_and_its_reader_told(
    port: int, app: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_limits, "BODY_LOOK_S", 0.2)
    monkeypatch.setattr(request_limits, "HEAD_S", 1)
    head = BEGIN + b"Content-Length: 1000000\r\n\r\n"
    async with connected(port, head) as (reader, writer), asyncio.timeout(30):
        reading = asyncio.create_task(reader.read())
        while not reading.done():
            writer.write(b"a")
            await asyncio.wait({reading}, timeout=0.02)
        assert status_in(await reading) == 408
    await wait_until(lambda: app.left == 1, "the app has heard that its sender is gone")


async def test_a_body_that_comes_fast_enough_has_an_end_all_the_same(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"BODY_LOOK_S": 0.1, "HEAD_S": 1, "BODY_S": 1.5}.items():
        monkeypatch.setattr(request_limits, name, value)
    monkeypatch.setattr(request_limits, "BODY_BYTES_A_LOOK", 1)
    head = BEGIN + b"Content-Length: 100000000\r\n\r\n"
    async with connected(port, head) as (reader, writer), asyncio.timeout(30):
        reading = asyncio.create_task(reader.read())
        while not reading.done():
            writer.write(b"a" * KIB)
            await asyncio.wait({reading}, timeout=0.01)
        assert status_in(await reading) == 408


CLOSING = {
    "HTTP/1.1": b"POST /refused HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n",
    "HTTP/1.0": b"POST /refused HTTP/1.0\r\nHost: localhost\r\n",
}


@pytest.mark.parametrize("version", CLOSING)
async def test_a_refusal_before_the_bodys_end_is_seen_on_a_connection_that_closes(
    port: int, version: str
) -> None:
    head = CLOSING[version] + b"Content-Length: %d\r\n\r\n" % (16 * MIB)
    answer = await answers(port, head, *[b"a" * MIB] * 16)
    assert status_in(answer) == 401
    assert answer.endswith(b"who are you?")


async def test_a_refused_body_is_read_to_its_end_and_the_connection_kept(port: int) -> None:
    head = b"POST /refused HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % MIB
    again = BEGIN + b"Connection: close\r\n\r\n"
    answer = await answers(port, head, b"a" * MIB, again)
    assert b"who are you?HTTP/1.1 200 OK" in answer


@pytest.mark.parametrize("head", [BEGIN.replace(b"/ ", b"/refused "), CLOSING["HTTP/1.1"]])
async def test_no_more_of_a_refused_body_is_read_than_twice_what_it_may_have(
    port: int, monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    monkeypatch.setattr(request_limits.LimitedProtocol, "dropped_bytes_max", MIB)
    with pytest.raises(ConnectionError):
        await answers(port, head + b"Content-Length: 99999999\r\n\r\n", *[b"a" * MIB] * 90)


async def test_requests_sent_ahead_of_their_answers_are_bounded(port: int, app: Echo) -> None:
    waiting = BEGIN + b"Content-Length: 1\r\n\r\n"
    ahead = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with contextlib.suppress(ConnectionError):
        await answers(port, waiting, b"a" + ahead * (PIPELINED_MAX * 3))
    assert len(app.seen) <= PIPELINED_MAX + 2


async def test_what_is_no_http_is_refused(port: int) -> None:
    assert status_in(await answers(port, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")) == 400


def test_running_out_of_files_is_logged_once_a_minute_and_room_is_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = OpenFiles()
    assert files.has_room(30)
    with caplog.at_level(logging.ERROR):
        assert not files.has_room(allowed - 1)
        assert not files.has_room(allowed - 2)
    assert [record.message for record in caplog.records] == ["files.exhausted"]


UPGRADE = (
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n"
)
BODIES = {
    "announced": (b"Content-Length: 5\r\n", b"hello"),
    "chunked": (b"Transfer-Encoding: chunked\r\n", b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
    "none": (b"", b""),
}


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("is_whole", [True, False])
async def test_a_request_that_asks_for_another_protocol_is_served_with_its_body(
    port: int, kind: str, is_whole: bool
) -> None:
    """As Java's client sends each first request."""
    framing, body = BODIES[kind]
    head, again = BEGIN + UPGRADE + framing + b"\r\n", BEGIN + b"Connection: close\r\n\r\n"
    pieces = [head + body + again] if is_whole else [head, body[:3], body[3:] + again]
    async with connected(port) as (reader, writer), asyncio.timeout(30):
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.05)  # so that each comes as a piece of its own
        answer = await reader.read()
    sizes = [part[-1:] for part in answer.split(b"HTTP/1.1 200 OK")[1:]]
    assert sizes == [b"5" if body else b"0", b"0"]


@pytest.mark.parametrize("host", [b"evil.example:81", b"[::1]:81", b"[::1]"])
async def test_the_host_of_an_absolute_target_counts(port: int, app: Echo, host: bytes) -> None:
    """Source: RFC 9112, 3.2.2."""
    target = b"GET http://%b/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % host
    await answers(port, target)
    hosts = [value for name, value in app.seen[0]["headers"] if name == b"host"]
    assert hosts == [host]


@pytest.mark.parametrize(
    "codings",
    [
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b"Transfer-Encoding: identity, chunked\r\n",
        b"Transfer-Encoding: x-made-up,chunked\r\n",
        b"Upgrade: h2c\r\nConnection: Upgrade\r\nTransfer-Encoding: gzip, chunked\r\n",
    ],
)
async def test_a_transfer_coding_that_nobody_takes_off_is_refused_with_words(
    port: int, app: Echo, codings: bytes
) -> None:
    """Source: RFC 9112, 6.1."""
    said = await answers(port, BEGIN + codings + b"\r\n5\r\nhello\r\n0\r\n\r\n")
    assert status_in(said) == 501
    assert b"send chunked alone, gzip by Content-Encoding" in said
    assert app.seen == []


@pytest.mark.parametrize("coding", [b"chunked", b" Chunked ", b"CHUNKED"])
async def test_chunked_alone_is_taken_off(port: int, app: Echo, coding: bytes) -> None:
    head = BEGIN + b"Connection: close\r\nTransfer-Encoding: " + coding + b"\r\n\r\n"
    assert status_in(await answers(port, head + b"5\r\nhello\r\n0\r\n\r\n")) == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        BEGIN + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        BEGIN + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        BEGIN + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
        BEGIN + b"X: a\r\n folded: b\r\n\r\n",
        BEGIN.replace(b"\r\n", b"\n") + b"\n",
    ],
)
async def test_what_two_readers_may_read_in_two_ways_is_refused_without_a_word_in_the_log(
    port: int, app: Echo, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    assert status_in(await answers(port, sent)) == 400
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []

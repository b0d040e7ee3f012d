"""TLS to n8n: a fresh connection goes on with the session of the one before, to one origin only."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
import uvloop

from bridge.local.ports import free_port
from bridge.n8n.connections import Connections
from tests.raw_server import OK
from tests.tls import HERE, certified
from tests.waiting import wait_until

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
LOOPS = (asyncio.new_event_loop, uvloop.new_event_loop)


@dataclass
class TlsServer:
    """Answers one request a connection; `resumed` says of each whether it went on with another."""

    url: str = ""
    resumed: list[bool] = field(default_factory=list)
    ended: int = 0


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    return certified(tmp_path, "localhost")


@asynccontextmanager
async def tls_server(
    certificate: tuple[Path, ssl.SSLContext],
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    port: int = 0,
) -> AsyncIterator[TlsServer]:
    file, _ = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    context.minimum_version = context.maximum_version = version
    server = TlsServer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.resumed.append(writer.get_extra_info("ssl_object").session_reused)
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
            await writer.drain()
            await reader.read()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client closes as it likes
        finally:
            writer.transport.abort()
            server.ended += 1

    async with await asyncio.start_server(serve, HERE, port, ssl=context) as listening:
        server.url = f"https://localhost:{listening.sockets[0].getsockname()[1]}/x"
        yield server
        await wait_until(lambda: server.ended == len(server.resumed), "all is closed")


async def ask(connections: Connections, url: str) -> int:
    async with await connections.open(httpx2.URL(url), 10) as fresh:
        answer = await fresh.handle_async_request(httpx2.Request("GET", url))
        await answer.aread()
    return answer.status_code


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_fresh_connection_resumes_the_tls_session_of_the_one_before(
    certificate: tuple[Path, ssl.SSLContext],
    version: ssl.TLSVersion,
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def ask_thrice() -> list[bool]:
        async with tls_server(certificate, version) as server:
            connections = Connections(certificate[1])
            for _ in range(3):
                assert await ask(connections, server.url) == 200
        return server.resumed

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(ask_thrice()) == [False, True, True]


@pytest.mark.parametrize("loop", LOOPS)
def test_a_plain_connection_carries_a_request_on_either_loop(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        writer.close()

    async def ask_once() -> int:
        async with await asyncio.start_server(serve, HERE) as listening:
            url = f"http://{HERE}:{listening.sockets[0].getsockname()[1]}/x"
            return await ask(Connections(ssl.create_default_context()), url)

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(ask_once()) == 200


async def test_no_tls_session_goes_to_another_origin_nor_to_another_trust(
    certificate: tuple[Path, ssl.SSLContext],
) -> None:
    again = ssl.create_default_context(cafile=certificate[0])
    async with tls_server(certificate) as server, tls_server(certificate) as other:
        connections = Connections(certificate[1])
        await ask(connections, server.url)
        await ask(connections, other.url)
        await ask(Connections(again), server.url)
    assert (server.resumed, other.resumed) == ([False, False], [False])


async def test_a_server_that_forgot_its_tls_sessions_is_greeted_anew(
    certificate: tuple[Path, ssl.SSLContext],
) -> None:
    connections, port = Connections(certificate[1]), free_port()
    async with tls_server(certificate, port=port) as server:
        await ask(connections, server.url)
    async with tls_server(certificate, port=port) as restarted:
        assert await ask(connections, server.url) == 200
    assert restarted.resumed == [False]

"""Bodies that are longer than they may be, and bodies that never end, over a real connection."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx2
import pytest

from bridge.app import BridgeApp
from bridge.configuration.servers import Server
from bridge.configuration.settings import Settings
from tests.serving import serving
from tests.waiting import wait_until

LIMIT = 8 * 2**20
"""So that twice of it is far more than the sockets in between can hold."""
PATH = "/hooks/support/ticket"
AUTH = {"Authorization": "Bearer hook-token"}
SUPPORT = Server.model_validate(
    {"name": "support", "hooks": {"ticket": {"auth": {"bearer": "hook-token"}}}}
)


@pytest.fixture
async def address(redis_url: str) -> AsyncIterator[str]:
    app = BridgeApp(Settings(redis_url=redis_url, max_body_bytes=LIMIT), {SUPPORT.name: SUPPORT})
    async with serving(app) as url:
        yield url


@contextlib.asynccontextmanager
async def begun(
    address: str, *headers: str
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Send the head of a request, and nothing yet of its body; leave at the end of the block."""
    url = httpx2.URL(address)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    usual = (f"POST {PATH} HTTP/1.1", "Host: 127.0.0.1", "Authorization: Bearer hook-token")
    writer.write("\r\n".join((*usual, *headers, "", "")).encode())
    yield reader, writer
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_the_sender_of_a_long_body_sees_the_refusal(address: str) -> None:
    async with httpx2.AsyncClient(base_url=address) as client:
        response = await client.post(PATH, content=b" " * (2 * LIMIT), headers=AUTH)
        assert response.status_code == 413
        # The connection is still good for the next request.
        again = await client.post(PATH, content=b"{}", headers=AUTH)
        assert again.status_code == 202


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [(PATH, "hook-token", 413), (PATH, "wrong", 401), ("/hooks/support/none", "hook-token", 404)],
)
async def test_the_sender_sees_the_refusal_of_a_long_body_on_a_connection_that_closes(
    address: str, path: str, token: str, status: int
) -> None:
    headers = {"Authorization": f"Bearer {token}", "Connection": "close"}
    async with httpx2.AsyncClient(base_url=address) as client:
        response = await client.post(path, content=b" " * (2 * LIMIT), headers=headers)
        assert response.status_code == status


async def test_a_body_announced_as_too_long_is_refused_before_it_is_sent(address: str) -> None:
    announced = (f"Content-Length: {LIMIT + 1}", "Expect: 100-continue")
    async with begun(address, *announced) as (reader, _), asyncio.timeout(15):
        assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")


async def test_a_body_that_grows_too_long_is_refused_before_its_end(address: str) -> None:
    begun_one = begun(address, "Transfer-Encoding: chunked")
    async with begun_one as (reader, writer), asyncio.timeout(15):
        writer.write(b"%x\r\n" % (LIMIT + 2) + b" " * (LIMIT + 1))
        assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")


async def test_a_sender_that_leaves_in_the_middle_is_no_error_of_the_bridge(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    known = asyncio.all_tasks()
    async with begun(address, "Content-Length: 10") as (_, writer):
        writer.write(b"{")
        await wait_until(lambda: asyncio.all_tasks() - known, "the request is being read")
    await wait_until(lambda: not asyncio.all_tasks() - known, "the request is over")

    assert [record for record in caplog.records if record.levelname == "ERROR"] == []

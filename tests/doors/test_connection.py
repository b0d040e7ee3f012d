"""What is known of a connection: whether all that was written on it has been taken."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.applications import Starlette

from bridge import serve
from bridge.connection import Connection
from tests.serving import serving_any
from tests.waiting import wait_until

MORE_THAN_IS_HELD = 32 * 1024 * 1024
ONE_SIDE_HOLDS = 256 * 1024


@contextlib.asynccontextmanager
async def connected() -> AsyncIterator[tuple[asyncio.Transport, socket.socket]]:
    """Connect a transport to a socket that is read by hand."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        transport, _ = await loop.create_connection(asyncio.Protocol, *listener.getsockname())
        peer, _ = listener.accept()
        with peer:
            yield transport, peer
        transport.abort()


async def test_what_the_other_side_has_no_room_for_is_not_taken() -> None:
    async with connected() as (transport, peer):
        connection = Connection(transport)
        transport.write(b"." * MORE_THAN_IS_HELD)
        await wait_until(transport.get_write_buffer_size, "no room is left")
        assert not connection.is_taken()
        left = MORE_THAN_IS_HELD
        while left:
            left -= len(await asyncio.to_thread(peer.recv, left))
        await wait_until(connection.is_taken, "all is taken")


async def test_what_has_left_this_process_is_not_taken_before_the_other_side_has_it() -> None:
    async with connected() as (transport, peer):
        connection = Connection(transport)
        sender = transport.get_extra_info("socket")
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * ONE_SIDE_HOLDS)
        transport.write(b"." * ONE_SIDE_HOLDS)
        assert transport.get_write_buffer_size() == 0
        assert not connection.is_taken()
        left = ONE_SIDE_HOLDS
        while left:
            left -= len(await asyncio.to_thread(peer.recv, left))
        await wait_until(connection.is_taken, "all is taken")


async def test_a_connection_is_cut_only_if_something_was_not_taken() -> None:
    async with connected() as (transport, _peer):
        connection = Connection(transport)
        connection.cut_unless_taken()
        assert connection.is_open()
        transport.write(b"." * ONE_SIDE_HOLDS)
        connection.cut_unless_taken()
        assert not connection.is_open()


async def test_a_client_that_vanishes_is_not_waited_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found: list[int] = []

    class Seen(Connection):
        def __init__(self, transport: asyncio.Transport) -> None:
            option = transport.get_extra_info("socket")
            found.append(option.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))
            super().__init__(transport)

    monkeypatch.setattr(serve, "Connection", Seen)
    async with serving_any(Starlette()) as address, httpx2.AsyncClient() as http:
        await http.get(address)
    assert found == [serve.GONE_AFTER_S * 1000]

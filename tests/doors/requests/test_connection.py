"""What is known of a connection: whether all that was written on it has been taken."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterable

import httpx2
import pytest
from starlette.applications import Starlette
from typing_extensions import override

from bridge.net import connection
from bridge.net.connection import Connection, ConnectionProtocol
from bridge.net.vanishing import GONE_AFTER_S
from tests.proxy import RESET
from tests.serving import serving_any
from tests.waiting import wait_until

MORE_THAN_IS_HELD = 32 * 1024 * 1024
ONE_SIDE_HOLDS = 256 * 1024


class Ending(asyncio.Protocol):
    """Tells a connection how it ends, as the server does."""

    connection: Connection

    @override
    def eof_received(self) -> None:
        """Tell that the peer has closed."""
        self.connection.peer_has_closed()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that it is gone."""
        self.connection.is_lost(exc)


def connection_on(transport: asyncio.Transport) -> Connection:
    """Make the connection of a transport that ends by telling it."""
    protocol = transport.get_protocol()
    assert isinstance(protocol, Ending)
    protocol.connection = Connection(transport)
    return protocol.connection


@contextlib.asynccontextmanager
async def connected(
    *, closing: bool = False
) -> AsyncIterator[tuple[asyncio.Transport, socket.socket]]:
    """Connect a transport to a socket that is read by hand."""
    protocol = Ending if closing else asyncio.Protocol
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        transport, _ = await loop.create_connection(protocol, *listener.getsockname())
        peer, _ = listener.accept()
        with peer:
            yield transport, peer
        transport.abort()


async def test_what_the_other_side_has_no_room_for_is_not_taken() -> None:
    async with connected() as (transport, peer):
        connection = Connection(transport)
        connection.write(b"." * MORE_THAN_IS_HELD)
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
        connection.write(b"." * ONE_SIDE_HOLDS)
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
        connection.write(b"." * ONE_SIDE_HOLDS)
        connection.cut_unless_taken()
        assert not connection.is_open()


async def test_what_was_taken_before_the_other_side_closed_stays_known_whatever_follows() -> None:
    async with connected(closing=True) as (transport, peer):
        connection = connection_on(transport)
        connection.write(b"answer")
        answer_bytes = connection.written_bytes()
        assert answer_bytes
        assert await asyncio.to_thread(peer.recv, 100) == b"answer"
        connection.write(b"." * ONE_SIDE_HOLDS)
        peer.shutdown(socket.SHUT_WR)
        await wait_until(lambda: connection.is_closed_by_peer, "the other side has closed")
        assert connection.has_taken(answer_bytes)
        assert not connection.is_taken()
        assert connection.written_bytes() is None


async def test_of_a_connection_that_is_reset_nothing_is_known_to_be_taken() -> None:
    async with connected(closing=True) as (transport, peer):
        connection = connection_on(transport)
        connection.write(b"answer")
        assert await asyncio.to_thread(peer.recv, 100) == b"answer"
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        peer.close()
        await wait_until(lambda: connection.is_broken, "it was reset")
        assert not connection.has_taken(len(b"answer"))


async def test_a_reset_counts_from_the_moment_on_that_the_system_knows_of_it() -> None:
    async with connected(closing=True) as (transport, peer):
        connection = connection_on(transport)
        connection.write(b"answer")
        await wait_until(connection.is_taken, "all is taken")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        peer.close()
        # Nothing is awaited here: this process stands still, as it were, and has heard of nothing.
        assert not connection.is_broken
        assert not connection.has_taken(len(b"answer"))


async def test_its_end_is_told_once_and_only_to_who_still_wants_to_know() -> None:
    told: list[str] = []

    def keep() -> None:
        told.append("kept")

    def drop() -> None:
        told.append("dropped")

    async with connected(closing=True) as (transport, peer):
        connection = connection_on(transport)
        connection.add_end_callback(keep)
        connection.add_end_callback(drop)
        connection.remove_end_callback(drop)
        peer.close()
        await wait_until(lambda: connection.is_closed_by_peer, "the other side has closed")
    connection.add_end_callback(lambda: told.append("late"))
    assert told == ["kept", "late"]


async def test_a_client_that_vanishes_is_not_waited_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found: list[int] = []

    class Seen(Connection):
        def __init__(self, transport: asyncio.Transport, protocol: ConnectionProtocol) -> None:
            option = transport.get_extra_info("socket")
            found.append(option.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))
            super().__init__(transport, protocol)

    monkeypatch.setattr(connection, "Connection", Seen)
    async with serving_any(Starlette()) as address, httpx2.AsyncClient() as http:
        await http.get(address)
    assert found == [GONE_AFTER_S * 1000]


class Recording(asyncio.Transport):
    """Keeps what leaves together."""

    def __init__(self, *, closes: bool = False) -> None:
        super().__init__()
        self.left: list[bytes] = []
        self._closes = closes

    @override
    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.left.append(bytes(data))

    @override
    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.left.append(b"".join(list_of_data))

    @override
    def is_closing(self) -> bool:
        return self._closes


async def test_the_head_of_an_answer_leaves_with_what_follows_it_in_its_turn() -> None:
    transport = Recording()
    connection = Connection(transport)
    connection.write(b"HTTP/1.1 200 OK\r\n\r\n")
    assert transport.left == []
    connection.write(b"one")
    connection.write(b"two")

    assert transport.left == [b"HTTP/1.1 200 OK\r\n\r\none", b"two"]


async def test_an_answer_without_a_body_keeps_no_connection_from_closing() -> None:
    async with connected(closing=True) as (transport, peer):
        connection = connection_on(transport)
        lost = asyncio.Event()
        connection.add_end_callback(lost.set)
        connection.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        connection.write(b"")
        connection.end()
        async with asyncio.timeout(10):
            await lost.wait()
        assert await asyncio.to_thread(peer.recv, 100) == b"HTTP/1.1 204 No Content\r\n\r\n"


async def test_the_head_of_an_answer_waits_no_longer_than_its_turn() -> None:
    transport = Recording()
    connection = Connection(transport)
    connection.write(b"HTTP/1.1 200 OK\r\n\r\n")
    await asyncio.sleep(0)
    connection.write(b"one")

    assert transport.left == [b"HTTP/1.1 200 OK\r\n\r\n", b"one"]


async def test_what_is_written_once_it_closes_goes_nowhere_and_is_not_taken() -> None:
    transport = Recording(closes=True)
    connection = Connection(transport)
    connection.write(b"HTTP/1.1 200 OK\r\n\r\n")
    connection.write(b"one")

    assert transport.left == []
    assert not connection.is_taken()

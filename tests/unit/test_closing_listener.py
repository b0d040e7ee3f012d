"""A listener that closes: no connection that was made is reset."""

import asyncio
import socket
import sys
import time

import pytest

from bridge.net.closing import take_the_last

CLIENTS, ROUNDS = 20, 4
BUSY_S = 0.005


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.read(1))
    writer.close()


async def ask_until_refused(port: int, reset: list[str]) -> None:
    """Connect and ask, again and again, until connections are refused."""
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            return
        try:
            writer.write(b"?")
            if not await reader.read(1):
                reset.append("closed")
        except ConnectionError as error:
            reset.append(str(error))
        finally:
            writer.transport.abort()


def keep_asking(port: int) -> list[str]:
    """Be many such clients, on a loop of their own."""
    reset: list[str] = []

    async def ask() -> None:
        await asyncio.gather(*(ask_until_refused(port, reset) for _ in range(CLIENTS)))

    asyncio.run(ask())
    return reset


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux filters what a listener hears")
async def test_no_client_that_was_connected_is_reset_when_a_busy_process_closes_its_listener() -> (
    None
):
    for _ in range(ROUNDS):
        listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        server = await asyncio.start_server(answer, sock=listener)
        asking = asyncio.create_task(asyncio.to_thread(keep_asking, listener.getsockname()[1]))
        await asyncio.sleep(0.1)
        await take_the_last(listener)
        busy_until = time.monotonic() + BUSY_S
        while time.monotonic() < busy_until:
            """A loop that is busy accepts nobody."""
        server.close()
        assert await asking == []
        await server.wait_closed()

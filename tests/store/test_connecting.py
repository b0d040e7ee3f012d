"""Nobody waits without end for a host that is cut off."""

import contextlib
import socket
from collections.abc import Iterator

import pytest
from redis.exceptions import RedisError

from bridge.store import pool
from bridge.store.pool import RedisConnections

LOOPBACK = "127.0.0.1"


@contextlib.contextmanager
def silent_port() -> Iterator[int]:
    """Yield a port that leaves whoever connects to it without an answer: its queue is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((LOOPBACK, 0))
        listener.listen(0)
        for _ in range(2):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.mark.timeout(30)
def test_a_thread_gives_up_a_host_that_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "CONNECT_S", 0.2)
    with silent_port() as port:
        client = RedisConnections(f"redis://{LOOPBACK}:{port}").blocking()
        with client, pytest.raises(RedisError):
            client.ping()

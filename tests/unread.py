"""A client that sends a request and does not read."""

import contextlib
import json
import socket
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit


@contextlib.contextmanager
def unread(
    web: str,
    method: str,
    path: str,
    headers: dict[str, str],
    message: Mapping[str, Any] | None = None,
) -> Iterator[socket.socket]:
    """Send a request on a connection that nobody reads from."""
    address = urlsplit(web)
    body = b"" if message is None else json.dumps(message).encode()
    head = {
        "host": address.netloc,
        "content-type": "application/json",
        "content-length": f"{len(body)}",
        **headers,
    }
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {text}" for name, text in head.items())]
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((address.hostname, address.port))
        client.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        yield client


def first_data(client: socket.socket) -> str:
    """Read the data of a stream's first event, and not much more."""
    return field_of(client, b"\ndata: ")


def first_id(client: socket.socket) -> str:
    """Read the id of a stream's first event, and not much more."""
    return field_of(client, b"\nid: ")


def field_of(client: socket.socket, name: bytes) -> str:
    """Read up to the end of the first line that begins so."""
    got = b""
    while b"\n" not in got.partition(name)[2]:
        got += client.recv(256)
    return got.partition(name)[2].partition(b"\n")[0].strip().decode()

"""A Valkey as a provider of Redis offers it: TLS, and a user that may not do everything."""

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from redis.asyncio import Redis

from bridge.local.valkey import EmbeddedValkey
from tests.processes import ROOT
from tests.tls import certified

CHUNK_BYTES = 65536
PASSWORD = "p@ss/word"
QUOTED = "p%40ss%2Fword"


@contextlib.asynccontextmanager
async def cloud_redis(folder: Path) -> AsyncIterator[str]:
    """Run one whose only user is that of docs/deploying.md; returns its address.

    TLS ends before the Valkey, whose program here speaks none.
    """
    file, _ = certified(folder, "localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    async with EmbeddedValkey(folder / "valkey") as valkey:
        async with Redis.from_url(valkey.url) as redis:
            for rights in (user(), ["default", "off"]):
                await redis.execute_command("ACL", "SETUSER", *rights)  # type: ignore[no-untyped-call]
        path = unquote(urlsplit(valkey.url).path)

        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            far_reader, far_writer = await asyncio.open_unix_connection(path)
            await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))

        server = await asyncio.start_server(carry, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        yield f"rediss://bridge:{QUOTED}@localhost:{port}/0?ssl_ca_certs={file}"
        server.close()


def user() -> list[str]:
    """Return the user that the docs give the bridge, with its password."""
    (rights,) = re.findall(
        r"^user (bridge .+)$", (ROOT / "docs/deploying.md").read_text(), re.MULTILINE
    )
    return [word.replace("PASSWORD", PASSWORD) for word in rights.split()]


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry what comes until it ends, and end the other side as well."""
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    writer.close()

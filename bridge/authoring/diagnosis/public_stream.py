"""A stream through the public address: how soon it begins, and what holds or cuts it."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus

import httpx2
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    PROTOCOL_VERSION_META_KEY,
)

from bridge import __version__
from bridge.authoring.diagnosis.public_address import is_bridge
from bridge.authoring.diagnosis.setup import Setup
from bridge.configuration.servers import Server
from bridge.diagnosis.checks import asking
from bridge.diagnosis.observations import (
    Observation,
    doubtful,
    passed_over,
    right,
    wrong,
)

FIRST_BYTE_S = 5.0
"""The bridge acknowledges at once; what has not come by then is held back."""
LONG_S = 120.0
KEEPALIVE_CLOUDFLARE_S = 10.0
LATE_S = 3.0
VERSION = "2026-07-28"


@dataclass
class HeardStream:
    """What came of a stream, and when: `ended_s` None where it was still open at the end."""

    status: int = 0
    headers: httpx2.Headers = field(default_factory=httpx2.Headers)
    arrivals_s: list[float] = field(default_factory=list)
    listened_s: float = 0.0
    ended_s: float | None = None


async def check_public_stream(setup: Setup) -> AsyncIterator[Observation]:
    """Open a stream of the 2026 wire, of which nothing is kept, and listen to its signs of life."""
    url = setup.public_url
    if url is None:
        return
    server = next((each for each in setup.servers.values() if each.tokens), None)
    if server is None:
        yield passed_over(
            "public.stream", url, "no server file has a token to open a stream with", "add `tokens`"
        )
        return
    async with asking() as http:
        try:
            if not is_bridge(await http.get(f"{url}/healthz")):
                return
        except (httpx2.HTTPError, OSError):
            return
    keepalive_s = setup.settings.keepalive_s
    heard = await _listened(url, server, max(LONG_S * setup.waits_long, 2 * keepalive_s) + LATE_S)
    for seen in judged_stream(url, heard, keepalive_s):
        yield seen


def judged_stream(url: str, heard: HeardStream, keepalive_s: float) -> Iterator[Observation]:
    """Judge what came of a stream on which the bridge gives a sign of life so often."""
    if heard.status not in (0, HTTPStatus.OK):
        yield _refused(url, heard.status)
        return
    if not heard.arrivals_s:
        yield _held(url, heard)
        return
    first_ms = heard.arrivals_s[0] * 1000
    yield right("public.first_byte", url, f"a stream's first byte comes after {first_ms:.0f} ms")
    is_cloudflare = "cf-ray" in heard.headers
    if is_cloudflare and keepalive_s > KEEPALIVE_CLOUDFLARE_S:
        yield doubtful(
            "public.keepalive",
            url,
            f"Cloudflare is between, and a sign of life comes only every {keepalive_s:g} s",
            "set BRIDGE_KEEPALIVE_S=8",
        )
    ends = [*heard.arrivals_s, heard.ended_s or heard.listened_s]
    silence_s = max(after - before for before, after in itertools.pairwise(ends))
    if heard.ended_s is not None:
        yield _cut(url, heard.ended_s, keepalive_s)
    elif silence_s > keepalive_s + LATE_S:
        yield wrong(
            "public.held",
            url,
            f"signs of life every {keepalive_s:g} s come {silence_s:.0f} s apart: they are held",
            NO_BUFFERING,
        )
    else:
        sentence = f"it was open for {heard.listened_s:.0f} s, and each sign of life came through"
        yield right("public.stream", url, sentence)


NO_BUFFERING = (
    "turn buffering off for the bridge: in nginx `proxy_buffering off` and `gzip off` (see "
    "config/proxies), and let X-Accel-Buffering be heard"
)


def _refused(url: str, status: int) -> Observation:
    why = "refuses the token of the server's file" if status == 401 else "is not let through"
    remedy = "see that the proxy passes Authorization on, and that the bridge runs on these files"
    return wrong("public.refused", url, f"a request to /mcp {why} ({status})", remedy)


def _held(url: str, heard: HeardStream) -> Observation:
    if heard.ended_s is not None:
        return _cut(url, heard.ended_s, 0)
    sentence = f"nothing of a stream comes within {FIRST_BYTE_S:g} s: something buffers it"
    return wrong("public.buffering", url, sentence, NO_BUFFERING)


def _cut(url: str, ended_s: float, keepalive_s: float) -> Observation:
    least = max(1, int(ended_s / 2))
    remedy = f"raise its timeouts for reading, or set BRIDGE_KEEPALIVE_S={least}"
    if ended_s > keepalive_s:
        remedy = "raise its limit on a whole request; /mcp-2025 and /sse survive the cut"
    return wrong("public.cut", url, f"something cuts a stream after {ended_s:.1f} s", remedy)


async def _listened(url: str, server: Server, for_s: float) -> HeardStream:
    heard = HeardStream()
    now = asyncio.get_running_loop().time
    began_at = now()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FIRST_BYTE_S) as limit, asking() as http:
            try:
                async with http.stream(
                    "POST",
                    f"{url}/mcp/{server.name}",
                    json=_LISTEN,
                    headers=_HEADERS | {"Authorization": f"Bearer {_token(server)}"},
                    timeout=None,
                ) as answer:
                    heard.status, heard.headers = answer.status_code, answer.headers
                    async for _ in answer.aiter_raw():
                        heard.arrivals_s.append(now() - began_at)
                        limit.reschedule(began_at + for_s)
            except (httpx2.HTTPError, OSError):
                pass  # it was cut, and not ended
            heard.ended_s = now() - began_at
    heard.listened_s = now() - began_at
    return heard


def _token(server: Server) -> str:
    return server.tokens[0].value.get_secret_value()


_HEADERS = {
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": VERSION,
    "Mcp-Method": "subscriptions/listen",
}
_META = {
    PROTOCOL_VERSION_META_KEY: VERSION,
    CLIENT_INFO_META_KEY: {"name": "n8n-bridge doctor", "version": __version__},
    CLIENT_CAPABILITIES_META_KEY: {},
}
_LISTEN = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "subscriptions/listen",
    "params": {"notifications": {"toolsListChanged": True}, "_meta": _META},
}

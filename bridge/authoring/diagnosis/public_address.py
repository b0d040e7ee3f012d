"""The public address: whether it leads to the bridge, lets n8n and Claude in, and how much of them.

What asks here is what a client sees: nothing is known of what stands between but its answers.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx2

from bridge.authoring.diagnosis.setup import Setup
from bridge.diagnosis.checks import asking, why_unreachable
from bridge.diagnosis.observations import Observation, doubtful, passed_over, right, wrong
from bridge.formats.addresses import DEFAULT_PORTS, is_loopback

CLIENTS = {"n8n": "axios/1.12.0", "Claude Code": "claude-code/2.1.330", "claude.ai": "Claude-User"}
"""How those that shall come through name themselves."""

KIB, MIB = 2**10, 2**20
HEADERS_KIB = (60, 30, 15, 6)
"""Tried from the most on; tokens of OAuth and signatures need some of them."""

REFUSAL_S = 2.0
"""Who refuses a body by its length does so at once; who takes it waits for it."""

NOT_ASKED = "the public address was not looked at"

PATHS = ("/hooks", "/callbacks", "/mcp", "/mcp-2025", "/sse")
"""What n8n and Claude ask for."""

GUARDED = "/openapi.json"
"""A page of the bridge that looks at Host, which `/healthz` does not."""


async def check_public_address(setup: Setup) -> AsyncIterator[Observation]:
    """Ask for the bridge through its public address as n8n and Claude do."""
    url = setup.public_url
    if url is None:
        if known := setup.settings.public_url:
            yield passed_over("public.none", known, NOT_ASKED, f"add --public {known}")
        return
    if urlsplit(url).scheme == "http" and not is_loopback(urlsplit(url).hostname or ""):
        yield doubtful("public.plain", url, "tokens go there unencrypted", "use https://")
    async with asking() as http:
        asked_at = time.perf_counter()
        try:
            alive = await http.get(f"{url}/healthz")
        except (httpx2.HTTPError, OSError) as error:
            yield _unreachable(url, error)
            return
        took_ms = (time.perf_counter() - asked_at) * 1000
        if not is_bridge(alive):
            yield _not_the_bridge(url, alive)
            return
        yield right("public", url, f"it leads to a bridge, which answers in {took_ms:.0f} ms")
        yield await _of_host(http, url)
        if lost := await _lost_paths(http, url):
            yield _of_paths(url, lost)
        yield await _of_clients(http, url)
        yield await _of_headers(http, url)
    yield await _of_bodies(url, setup.settings.max_body_bytes)


def is_bridge(answer: httpx2.Response) -> bool:
    """Report whether what answered `/healthz` is a bridge: nobody else is sent a token."""
    return answer.status_code == HTTPStatus.OK and '"status":"alive"' in answer.text


def mitigated(answer: httpx2.Response) -> bool:
    """Report whether Cloudflare's rules against bots answered."""
    return "cf-mitigated" in answer.headers


def _unreachable(url: str, error: Exception) -> Observation:
    why, mend = why_unreachable(error)
    remedy = mend or "see that its name leads to the proxy, and that the proxy listens there"
    return wrong("public.unreachable", url, f"it cannot be reached: {why}", remedy)


def _not_the_bridge(url: str, answer: httpx2.Response) -> Observation:
    if mitigated(answer):
        return _of_bots(url, ["everybody"])
    status = answer.status_code
    if status in (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, 504, 521, 522, 523):
        sentence, remedy = "the proxy does not reach the bridge", "start it, or mend its upstream"
    else:
        sentence = "what answers there is no bridge"
        remedy = "have the proxy lead all paths to the bridge, with no login before it"
    return wrong("public.not_bridge", url, f"{sentence} ({status} for /healthz)", remedy)


async def _of_host(http: httpx2.AsyncClient, url: str) -> Observation:
    answer = await http.get(url + GUARDED)
    if answer.status_code == HTTPStatus.MISDIRECTED_REQUEST:
        return wrong(
            "public.host",
            url,
            "the bridge refuses the Host that comes through (421)",
            f"set BRIDGE_PUBLIC_URL={url}, and have the proxy pass Host on",
        )
    return right("public.host", url, "its Host is one that the bridge knows")


async def _lost_paths(http: httpx2.AsyncClient, url: str) -> list[str]:
    """Name the paths below which something else than the bridge answers: it does in its own way."""
    lost = []
    for path in PATHS:
        kind = ""
        with contextlib.suppress(httpx2.HTTPError):
            answer = await http.get(f"{url}{path}/n8n-bridge-doctor")
            kind = answer.headers.get("content-type", "")
        if "problem+json" not in kind:
            lost.append(path)
    return lost


def _of_paths(url: str, lost: list[str]) -> Observation:
    return wrong(
        "public.paths",
        url,
        f"something else than the bridge answers below {', '.join(lost)}",
        "have the proxy lead these paths to the bridge as well, and leave them as they are",
    )


async def _of_clients(http: httpx2.AsyncClient, url: str) -> Observation:
    """Ask as each client that shall come through, for firewalls judge by names."""
    refused = []
    for name, agent in CLIENTS.items():
        answer = await http.get(f"{url}/healthz", headers={"User-Agent": agent})
        if mitigated(answer) or answer.status_code == HTTPStatus.FORBIDDEN:
            refused.append(name)
    if refused:
        return _of_bots(url, refused)
    return right("public.clients", url, f"{', '.join(CLIENTS)} are let through by their names")


def _of_bots(url: str, refused: list[str]) -> Observation:
    return wrong(
        "public.bots",
        url,
        f"a firewall before the bridge takes {' and '.join(refused)} for bots (403)",
        "let /mcp, /mcp-2025, /sse, /hooks and /callbacks pass: at Cloudflare a WAF rule that "
        "skips Bot Fight Mode and managed challenges for these paths",
    )


async def _of_headers(http: httpx2.AsyncClient, url: str) -> Observation:
    for many in HEADERS_KIB:
        padding = {"X-Padding": "x" * (many * KIB - KIB)}
        status = 0
        try:
            status = (await http.get(f"{url}/healthz", headers=padding)).status_code
        except httpx2.TransportError:
            continue
        if status == HTTPStatus.OK:
            return right("public.headers", url, f"headers of {many} KiB come through")
    return wrong(
        "public.headers",
        url,
        f"headers of {HEADERS_KIB[-1]} KiB do not come through, and long tokens need them",
        "raise the proxy's limit: in nginx large_client_header_buffers 4 16k",
    )


async def _of_bodies(url: str, wanted: int) -> Observation:
    """Announce a body as long as the bridge takes, and look who refuses; none is sent."""
    refusal = await _refusal(url, wanted)
    if refusal is None:
        return right("public.body", url, f"bodies of {wanted / MIB:g} MiB are not refused")
    smaller = MIB if wanted > MIB and await _refusal(url, MIB) is None else 0
    least = f", though those of {smaller / MIB:g} MiB are taken" if smaller else ""
    return doubtful(
        "public.body",
        url,
        f"the proxy ({refusal}) refuses bodies of {wanted / MIB:g} MiB (413){least}",
        "raise its limit above BRIDGE_MAX_BODY_BYTES: in nginx client_max_body_size 17m",
    )


async def _refusal(url: str, length: int) -> str | None:
    """Name who refuses a body of a length with 413; None where the bridge would be the first."""
    parts = urlsplit(url)
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    head = (
        f"POST {parts.path}/hooks/none/none HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"Content-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )
    try:
        reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=tls)
    except OSError:
        return None
    try:
        writer.write(head.encode())
        async with asyncio.timeout(REFUSAL_S):
            answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return None
    finally:
        writer.close()
    if " 413 " not in answer.partition("\r\n")[0] or "problem+json" in answer:
        return None
    server = answer.partition("\r\nserver: ")[2].partition("\r\n")[0]
    return server or "it does not say which"

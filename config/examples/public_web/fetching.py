"""HTTP to addresses that a model or a page names: public hosts only, bounded in bytes and time.

A host name is resolved once, and an address that was checked is the one that is connected to, so
that the name cannot lead elsewhere between the two. Redirects are followed here, hop by hop, for
each is an address that a stranger names. Nothing is unpacked, for little may be much when it is.
"""

import asyncio
import functools
import os
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from urllib.parse import urldefrag, urljoin

import httpx2

from bridge.handlers import Failure

USER_AGENT = "n8n-claude-bridge-example"
REDIRECTS = {301, 302, 303, 307, 308}
REDIRECTS_MAX = 5
BYTES_MAX = 5_000_000
URL_CHARS_MAX = 4000
TIMEOUT_S = 20.0
PRIVATE_HOSTS = "EXAMPLES_PRIVATE_HOSTS"

UNICAST = ip_network("2000::/3")
"""All of IPv6 that is given out to the internet (RFC 4291, 2.4)."""

NO_REUSE = httpx2.Limits(max_connections=1, max_keepalive_connections=0)
"""A connection belongs to one name, although its pool knows the address alone."""


@dataclass(frozen=True)
class Answer:
    """What an address answered at last; `url` is where the redirects led."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        """Return the media type without its parameters, in small letters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True)
class PublicWeb:
    """Fetches from public hosts, and from private ones that are named, as `host` or `host:port`."""

    private_hosts: frozenset[str] = frozenset()
    bytes_max: int = BYTES_MAX
    timeout_s: float = TIMEOUT_S
    trust: ssl.SSLContext | None = None

    async def get(self, url: str, method: str = "GET") -> Answer:
        """Fetch an address, through at most five redirects.

        Raises:
            Failure: it may not be asked, did not answer in time, or answered too much.
        """
        try:
            async with asyncio.timeout(self.timeout_s):
                return await self._follow(_target("", url), method)
        except TimeoutError:
            why = f"{url} did not answer within {self.timeout_s:g} s: try again later"
            raise Failure(why) from None

    async def get_existing(self, url: str) -> Answer:
        """Fetch an address that must be there.

        Raises:
            Failure: as `get`, or its status is no 2xx.
        """
        answer = await self.get(url)
        if not 200 <= answer.status < 300:
            raise Failure(f"{answer.url} answered {answer.status}: check the address")
        return answer

    async def _follow(self, start: str, method: str) -> Answer:
        url = start
        for _ in range(REDIRECTS_MAX + 1):
            answer = await self._send(url, method)
            target = answer.headers.get("location")
            if answer.status not in REDIRECTS or not target:
                return answer
            url = _target(url, target)
        raise Failure(
            f"{start} redirects more than {REDIRECTS_MAX} times, at last to {url}: "
            "give the address where it should end"
        )

    async def _send(self, url: str, method: str) -> Answer:
        """Send a request to the first address of its host that answers."""
        request = request_to(url, method)
        named, why = request.url, ""
        for address in await self._addresses(named):
            request.url = named.copy_with(host=address)
            try:
                async with httpx2.AsyncHTTPTransport(
                    verify=self.trust or _trust_of_system(), limits=NO_REUSE
                ) as transport:
                    return await self._read(url, await transport.handle_async_request(request))
            except (OSError, httpx2.HTTPError) as error:
                why = str(error) or type(error).__name__
        raise Failure(f"{url} cannot be reached: {why}")

    async def _addresses(self, url: httpx2.URL) -> list[str]:
        """Return the addresses to connect to, after a look at all that the name leads to."""
        port = url.port or (443 if url.scheme == "https" else 80)
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise Failure(f"the host {url.host} is not known: check the address") from error
        addresses = [str(entry[4][0]) for entry in found]
        named = f"[{url.host}]" if ":" in url.host else url.host
        if not self.private_hosts & {named, f"{named}:{port}"}:
            for address in addresses:
                if not is_public(address):
                    raise Failure(
                        f"{url.host} is not on the public internet ({address}): only an operator "
                        f"may let it be fetched, by {PRIVATE_HOSTS}"
                    )
        return addresses

    async def _read(self, url: str, response: httpx2.Response) -> Answer:
        packing = response.headers.get("content-encoding", "identity")
        if packing.lower() != "identity":
            raise Failure(
                f"{url} sends its body packed ({packing}), which nobody asked it for: "
                "its owner has to mend that"
            )
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > self.bytes_max:
                raise Failure(f"{url} is longer than {self.bytes_max} bytes: give a shorter one")
        return Answer(url, response.status_code, response.headers, bytes(body))


def is_public(host: str) -> bool:
    """Report whether an IP address is the internet's, not this machine's or its network's."""
    address = ip_address(host)
    if isinstance(address, IPv6Address) and (
        address not in UNICAST or address.sixtofour or address.teredo
    ):
        return False
    return address.is_global and not address.is_multicast


def named_private_hosts() -> frozenset[str]:
    """Return the hosts that the server file's `environment` lets be fetched, though private."""
    hosts = os.environ.get(PRIVATE_HOSTS, "").lower().split(",")
    return frozenset(host.strip() for host in hosts) - {""}


def _target(base: str, url: str) -> str:
    try:
        target = urldefrag(urljoin(base, url.strip())).url
    except ValueError as error:
        raise Failure(f"{url[:200]!r} is no address: {error}") from error
    if len(target) > URL_CHARS_MAX:
        raise Failure(
            f"the address {target[:200]}… has {len(target)} characters: none is fetched that has "
            f"more than {URL_CHARS_MAX}"
        )
    return target


def request_to(url: str, method: str = "GET") -> httpx2.Request:
    """Return a request to an address.

    Raises:
        Failure: the address is none of the web.
    """
    headers = {"user-agent": USER_AGENT, "accept-encoding": "identity", "accept": "*/*"}
    try:
        request = httpx2.Request(method, url, headers=headers)
    except (httpx2.InvalidURL, ValueError) as error:
        raise Failure(f"{url!r} is no address: {error}") from error
    if request.url.scheme not in ("http", "https") or not request.url.host:
        raise Failure(f"{url!r} is no address of the web: give one with http:// or https://")
    if (request.url.port or 0) > 65535:
        raise Failure(f"{url!r} is no address: no port is greater than 65535")
    if request.url.userinfo:
        raise Failure(f"the address at {request.url.host} holds a password: give it without")
    request.extensions["sni_hostname"] = request.url.host
    return request


@functools.cache
def _trust_of_system() -> ssl.SSLContext:
    return httpx2.create_ssl_context()

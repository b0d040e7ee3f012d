"""HTTP to addresses that strangers name: public hosts only, and answers that are short and soon.

A name is resolved once, and the address that was checked is the one that is connected to, so that
it cannot lead elsewhere between the two. No redirect is followed, no proxy asked, no cookie kept,
and nothing unpacked, for little may be much when it is.

Source: SEP-3415, "Webhook Security"; draft-ietf-oauth-client-id-metadata-document, 6.
"""

import asyncio
import functools
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Literal

import httpx2

from bridge.errors import TransientError

Reason = Literal["connection_refused", "timeout", "tls_error"]

ONE_REQUEST = httpx2.Limits(max_connections=1, max_keepalive_connections=0)

UNICAST = ip_network("2000::/3")
"""All of IPv6 that is given out to the internet (RFC 4291, 2.4)."""

NAT64 = ip_network("64:ff9b::/96")
"""Where networks without IPv4 find its addresses (RFC 6052, 2.1)."""


class UnreachableError(TransientError):
    """No answer came; `reason` says no more of the network than a stranger may know."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(f"the address cannot be reached: {reason}")
        self.reason = reason


@dataclass(frozen=True)
class BoundedAnswer:
    """What came back; of a longer body only the start, and then `is_cut`."""

    status: int
    content_type: str
    body: bytes
    is_cut: bool


def is_public(host: str) -> bool:
    """Report whether an IP address is the internet's, not this machine's or its network's."""
    address = ip_address(host)
    if address in NAT64:
        address = IPv4Address(int(address) & 0xFFFF_FFFF)
    is_hidden = isinstance(address, IPv6Address) and (
        address not in UNICAST or address.sixtofour is not None
    )
    return address.is_global and not address.is_multicast and not is_hidden


def is_any(_host: str) -> bool:
    """Let every address."""
    return True


async def resolve(host: str, port: int) -> list[str]:
    """Return the IP addresses of a name, those to be tried first in front."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


@dataclass(frozen=True)
class PublicHttp:
    """Sends single requests over TLS, by the names, the certificates and the addresses let.

    Without a `trust` of its own it is the system's, read with the first request: that takes longer
    than all else that a process makes as it starts.
    """

    is_let: Callable[[str], bool] = is_public
    trust: ssl.SSLContext | None = None
    resolve: Callable[[str, int], Awaitable[list[str]]] = resolve

    async def send(
        self, request: httpx2.Request, *, timeout_s: float, bytes_max: int
    ) -> BoundedAnswer:
        """Send a request and read its answer.

        Raises:
            UnreachableError: no answer came in time, or the host is not one to be asked.
        """
        request.headers["accept-encoding"] = "identity"
        try:
            async with asyncio.timeout(timeout_s):
                await self._pin(request)
                return await exchange(request, bytes_max, self.trust)
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise UnreachableError("timeout") from error
        except (OSError, httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            why: Reason = "tls_error" if _is_tls(error) else "connection_refused"
            raise UnreachableError(why) from error

    async def _pin(self, request: httpx2.Request) -> None:
        """Put the checked address in the place of the host, which stays in Host and in TLS."""
        addresses = await self.resolve(request.url.host, request.url.port or 443)
        if not addresses or not all(self.is_let(address) for address in addresses):
            raise ValueError("not an address to be asked")
        request.extensions["sni_hostname"] = request.url.host
        request.url = request.url.copy_with(host=addresses[0])


async def exchange(
    request: httpx2.Request, bytes_max: int, trust: ssl.SSLContext | None = None
) -> BoundedAnswer:
    """Send a request on a connection of its own and return the start of its answer.

    Without a `trust` it is the system's.

    Raises:
        httpx2.HTTPError, OSError: no answer came.
    """
    if trust is None:
        trust = await asyncio.to_thread(_trust_of_system)
    async with httpx2.AsyncHTTPTransport(verify=trust, limits=ONE_REQUEST) as transport:
        answer = await transport.handle_async_request(request)
        body = b""
        async for chunk in answer.aiter_raw():
            body += chunk
            if len(body) > bytes_max:
                break
        content_type = answer.headers.get("content-type", "")
        is_cut = len(body) > bytes_max
        return BoundedAnswer(answer.status_code, content_type, body[:bytes_max], is_cut)


@functools.cache
def _trust_of_system() -> ssl.SSLContext:
    return httpx2.create_ssl_context()


def _is_tls(error: BaseException | None) -> bool:
    """Report whether TLS is at the bottom of a failure."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False

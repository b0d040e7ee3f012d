"""Whose address a request comes from: the connection's, or what a trusted proxy says of it."""

import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.requests import Request

from bridge.auth.throttle import LINES_MAX, GuessThrottle
from bridge.formats.addresses import Network

logger = logging.getLogger(__name__)

Address = IPv4Address | IPv6Address

CLIENT_PREFIX_V6 = 64
"""What one household or machine is given of IPv6 at least (RFC 6177): it counts as one client."""

UNKNOWN = "unknown"

_FORWARDED_FOR = re.compile(r'(?:^|[;,])\s*for=("[^"]*"|[^;,\s]*)', re.IGNORECASE)
_WITH_PORT = re.compile(r"\[([^\]]+)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+):\d+")


@dataclass(frozen=True)
class TrustedProxies:
    """The proxies whose word on who asks is taken; nobody else's is."""

    networks: tuple[Network, ...] = ()

    def clients(self, peer: str | None, headers: Headers) -> tuple[str, ...]:
        """Return every address that counts as the sender's; IPv6 ones as their /64.

        A proxy writes one of three headers and passes the others on as they came, so where they
        differ some of them may be made up. Each then counts: the true one is among them.
        """
        direct = _address(peer or "")
        if direct is None:
            return (UNKNOWN,)
        if not self._trusts(direct):
            return (_spelled(direct),)
        found = [self._nearest(hops, direct) for hops in _chains(headers)]
        return tuple(dict.fromkeys(map(_spelled, found or [direct])))

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self.networks)

    def _nearest(self, hops: Iterable[str], direct: Address) -> Address:
        """Return the address that the outermost trusted proxy was connected to by.

        Each proxy adds at the right whom it heard, so what stands left of the first address that
        is not trusted is only what that one claims.
        """
        nearest = direct
        for hop in hops:
            address = _address(hop)
            if address is None:
                return nearest
            nearest = address
            if not self._trusts(address):
                return nearest
        return nearest


def _chains(headers: Headers) -> Iterator[list[str]]:
    """Yield what each of the headers says, the nearest hop first.

    Source: RFC 7239, 4 and 5.2; X-Forwarded-For and X-Real-IP as nginx and others write them.
    """
    forwarded = ", ".join(headers.getlist("forwarded"))
    if forwarded:
        yield _FORWARDED_FOR.findall(forwarded)[::-1]
    passed_on = ", ".join(headers.getlist("x-forwarded-for"))
    if passed_on:
        yield passed_on.split(",")[::-1]
    if real := headers.get("x-real-ip"):
        yield [real]


def _address(text: str) -> Address | None:
    text = text.strip().strip('"')
    if found := _WITH_PORT.fullmatch(text):
        text = found[1] or found[2]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _spelled(address: Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((address, CLIENT_PREFIX_V6), strict=False))


class Clients:
    """Who sends requests to this process, by address, and how many lines of the log they cause."""

    def __init__(self, proxies: TrustedProxies) -> None:
        self._proxies = proxies
        self._lines = GuessThrottle(of_one=LINES_MAX)

    def of(self, request: Request) -> tuple[str, ...]:
        """Return the addresses that count as the sender's."""
        return self._proxies.clients(
            request.client.host if request.client else None, request.headers
        )

    def has_a_line_left(self, request: Request) -> bool:
        """Count a line of the log for a sender who has proved nothing; False for one too many.

        What leaves nothing but a line could fill the disk with lines. That there were too many is
        one.
        """
        clients = self.of(request)
        throttled = self._lines.count(clients)
        if throttled is not None and throttled.is_first:
            logger.warning("strangers.not_logged", extra={"clients": clients})
        return throttled is None

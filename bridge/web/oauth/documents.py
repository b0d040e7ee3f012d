"""Client id metadata documents: a client whose id is the https address where it tells of itself.

Whoever asks names the address, so it is fetched with care: https only, from public addresses only,
no redirect, no more than a little, and not for long. A name is resolved once, and the address that
was checked is the one that is connected to, so that it cannot lead elsewhere between the two.

Source: draft-ietf-oauth-client-id-metadata-document, 3 to 6; MCP 2026-07-28, "Client ID Metadata
Documents".
"""

import asyncio
import json
import logging
import re
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

import httpx2
from pydantic import ValidationError

from bridge.errors import RejectedError
from bridge.web.oauth.clients import Client, fault_of_redirects

logger = logging.getLogger(__name__)

BYTES_MAX = 16_384
FETCH_S = 5.0
URL = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?/[!-~]+")
JSON_TYPE = re.compile(r"application/([!-~]+\+)?json\s*(;.*)?", re.IGNORECASE)
HEADERS = {"accept": "application/json", "accept-encoding": "identity"}
"""What is asked for: nothing packed, for little may be much when it is unpacked."""

UNICAST = ip_network("2000::/3")
"""All of IPv6 that is given out to the internet (RFC 4291, 2.4)."""

NAT64 = ip_network("64:ff9b::/96")
"""Where networks without IPv4 find its addresses (RFC 6052, 2.1)."""


class UnusableDocumentError(RejectedError):
    """The document cannot be had, or is none of a client that could be let in."""


def is_address(client_id: str) -> bool:
    """Tell whether a client's id is the address of a document."""
    parts = urlsplit(client_id) if URL.fullmatch(client_id) and len(client_id) <= 1000 else None
    if parts is None or parts.fragment or "#" in client_id or parts.path == "/":
        return False
    return not any(part in (".", "..") for part in parts.path.split("/"))


def is_public(host: str) -> bool:
    """Tell whether an IP address is one of the internet, and not of this machine or its network."""
    address = ip_address(host)
    if address in NAT64:
        address = IPv4Address(int(address) & 0xFFFF_FFFF)
    is_hidden = isinstance(address, IPv6Address) and (
        address not in UNICAST or address.sixtofour is not None
    )
    return address.is_global and not address.is_multicast and not is_hidden


async def resolve(host: str, port: int) -> list[str]:
    """Give the IP addresses of a name, those to be tried first in front."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


@dataclass(frozen=True)
class ClientDocuments:
    """Fetches documents, by the names, the certificates and the addresses that are let."""

    is_let: Callable[[str], bool] = is_public
    trust: ssl.SSLContext | bool = True
    resolve: Callable[[str, int], Awaitable[list[str]]] = resolve

    async def fetch(self, client_id: str) -> Client:
        """Read the client that an address tells of.

        Raises:
            UnusableDocumentError: it cannot be had, or breaks the rules for such documents.
        """
        try:
            async with asyncio.timeout(FETCH_S):
                told = await self._read(client_id)
        except (TimeoutError, OSError, httpx2.HTTPError, ValueError, RecursionError) as error:
            logger.warning(
                "client_document.not_read", extra={"client_id": client_id, "reason": repr(error)}
            )
            raise UnusableDocumentError("the client's document cannot be read") from error
        if not isinstance(told, dict) or told.get("client_id") != client_id:
            raise UnusableDocumentError("the client's document names another client")
        if not told.get("client_name"):
            raise UnusableDocumentError("the client's document gives the client no name")
        if told.get("token_endpoint_auth_method", "none") != "none" or "client_secret" in told:
            raise UnusableDocumentError("only public clients are let in")
        try:
            client = Client.model_validate(told | {"token_endpoint_auth_method": "none"})
        except ValidationError as error:
            raise UnusableDocumentError("the client's document breaks RFC 7591") from error
        fault = fault_of_redirects(client.redirect_uris)
        if fault:
            raise UnusableDocumentError(fault)
        return client

    async def _read(self, client_id: str) -> object:
        parts = urlsplit(client_id)
        host = await self._address(parts.hostname or "", parts.port or 443)
        target = httpx2.URL(client_id).copy_with(host=host)
        async with (
            httpx2.AsyncClient(verify=self.trust, trust_env=False, timeout=FETCH_S) as http,
            http.stream(
                "GET",
                target,
                headers=HEADERS | {"host": parts.netloc},
                extensions={"sni_hostname": parts.hostname},
            ) as answer,
        ):
            if answer.status_code != httpx2.codes.OK:
                raise ValueError(f"answered {answer.status_code}")
            if not JSON_TYPE.fullmatch(answer.headers.get("content-type", "")):
                raise ValueError("not of a JSON type")
            read = b""
            async for chunk in answer.aiter_raw():
                read += chunk
                if len(read) > BYTES_MAX:
                    raise ValueError("too long")
        return json.loads(read)

    async def _address(self, host: str, port: int) -> str:
        addresses = await self.resolve(host, port)
        if not addresses or not all(self.is_let(address) for address in addresses):
            raise ValueError("not a public address")
        return addresses[0]

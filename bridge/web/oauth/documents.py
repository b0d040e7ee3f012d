"""Client id metadata documents: a client whose id is the https address where it tells of itself.

Whoever asks names the address, so it is fetched with care: https only, from public addresses only,
no redirect, no more than a little, and not for long. The address that was checked is the one that
is connected to, so that a name cannot lead elsewhere between the two.

Source: draft-ietf-oauth-client-id-metadata-document; MCP 2025-11-25, "Authorization".
"""

import asyncio
import json
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

import httpx2
from pydantic import ValidationError

from bridge.web.oauth.clients import Client, fault_of_redirects

BYTES_MAX = 16_384
FETCH_S = 5.0
URL = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?/[!-~]+")


class UnusableDocumentError(Exception):
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
    embedded = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    return address.is_global and not address.is_multicast and (embedded or address).is_global


@dataclass(frozen=True)
class ClientDocuments:
    """Fetches documents; which addresses are let, and which certificates, is as one says."""

    is_let: Callable[[str], bool] = is_public
    trust: ssl.SSLContext | bool = True

    async def fetch(self, client_id: str) -> Client:
        """Read the client that an address tells of.

        Raises:
            UnusableDocumentError: it cannot be had, or breaks the rules for such documents.
        """
        try:
            async with asyncio.timeout(FETCH_S):
                told = await self._read(client_id)
        except (TimeoutError, OSError, httpx2.HTTPError, ValueError) as error:
            raise UnusableDocumentError("the client's document cannot be read") from error
        if not isinstance(told, dict) or told.get("client_id") != client_id:
            raise UnusableDocumentError("the client's document names another client")
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
                headers={"host": parts.netloc, "accept": "application/json"},
                extensions={"sni_hostname": parts.hostname},
            ) as answer,
        ):
            if answer.status_code != httpx2.codes.OK:
                raise ValueError("not 200")
            read = b""
            async for chunk in answer.aiter_bytes():
                read += chunk
                if len(read) > BYTES_MAX:
                    raise ValueError("too long")
        return json.loads(read)

    async def _address(self, host: str, port: int) -> str:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]
        if not addresses or not all(self.is_let(address) for address in addresses):
            raise ValueError("not a public address")
        return addresses[0]

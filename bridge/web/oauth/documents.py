"""Client id metadata documents: a client whose id is the https address where it tells of itself.

Whoever asks names the address, so it is fetched with care (`WaryHttp`), and only a little of it.

Source: draft-ietf-oauth-client-id-metadata-document, 3 to 6; MCP 2026-07-28, "Client ID Metadata
Documents".
"""

import json
import logging
import re
from collections.abc import Container
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2
from pydantic import ValidationError

from bridge.errors import RejectedError
from bridge.settings import APP_SCHEMES
from bridge.wary_http import UnreachableError, WaryHttp
from bridge.web.oauth.clients import Client, fault_of_redirects

logger = logging.getLogger(__name__)

BYTES_MAX = 16_384
FETCH_S = 5.0
URL = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?/[!-~]+")
JSON_TYPE = re.compile(r"application/([!-~]+\+)?json\s*(;.*)?", re.IGNORECASE)


class UnusableDocumentError(RejectedError):
    """The document cannot be had, or is none of a client that could be let in."""


def is_address(client_id: str) -> bool:
    """Tell whether a client's id is the address of a document."""
    parts = urlsplit(client_id) if URL.fullmatch(client_id) and len(client_id) <= 1000 else None
    if parts is None or parts.fragment or "#" in client_id or parts.path == "/":
        return False
    return not any(part in (".", "..") for part in parts.path.split("/"))


@dataclass(frozen=True)
class ClientDocuments:
    """Fetches documents."""

    http: WaryHttp
    app_schemes: Container[str] = APP_SCHEMES

    async def fetch(self, client_id: str) -> Client:
        """Read the client that an address tells of.

        Raises:
            UnusableDocumentError: it cannot be had, or breaks the rules for such documents.
        """
        try:
            told = await self._read(client_id)
        except (UnreachableError, ValueError, RecursionError) as error:
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
        fault = fault_of_redirects(client.redirect_uris, self.app_schemes)
        if fault:
            raise UnusableDocumentError(fault)
        return client

    async def _read(self, client_id: str) -> object:
        request = httpx2.Request("GET", client_id, headers={"accept": "application/json"})
        answer = await self.http.send(request, timeout_s=FETCH_S, bytes_max=BYTES_MAX)
        if answer.status != httpx2.codes.OK:
            raise ValueError(f"answered {answer.status}")
        if not JSON_TYPE.fullmatch(answer.content_type):
            raise ValueError("not of a JSON type")
        if answer.is_cut:
            raise ValueError("too long")
        return json.loads(answer.body)

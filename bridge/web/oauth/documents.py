"""Client id metadata documents: a client whose id is the https address where it tells of itself.

Whoever asks names the address, so it is fetched with care (`PublicHttp`), and only a little of it.

Source: draft-ietf-oauth-client-id-metadata-document, 3 to 6; MCP 2026-07-28, "Client ID Metadata
Documents".
"""

import asyncio
import json
import re
from collections.abc import Container
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx2
from pydantic import ValidationError
from starlette.requests import Request

from bridge.configuration.settings import APP_SCHEMES
from bridge.errors import RejectedError, TransientError
from bridge.net.public_http import PublicHttp, UnreachableError
from bridge.web.oauth.clients import Client, fault_of_redirects

BYTES_MAX = 16_384
FETCH_S = 5.0
AT_ONCE_MAX = 16
"""How many documents one process reads at once: of clients in use, and as many of others."""
OF_ONE_MAX = 4
"""How many of these others for one address."""

URL = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?/[!-~]+")
JSON_TYPE = re.compile(r"application/([!-~]+\+)?json\s*(;.*)?", re.IGNORECASE)


class UnusableDocumentError(RejectedError):
    """The document cannot be had, or is none of a client that could be let in."""


class TooManyDocumentsError(TransientError):
    """As many documents are being read as may, none of which was this one."""

    def __init__(self) -> None:
        super().__init__("documents of too many clients are being read: try again soon", FETCH_S)


def is_address(client_id: str) -> bool:
    """Report whether a client's id is the address of a document."""
    parts = urlsplit(client_id) if URL.fullmatch(client_id) and len(client_id) <= 1000 else None
    if parts is None or parts.fragment or "#" in client_id or parts.path == "/":
        return False
    return not any(part in (".", "..") for part in parts.path.split("/"))


@dataclass(frozen=True)
class _Reading:
    task: asyncio.Task[Client]
    asker: str


@dataclass(frozen=True)
class ClientDocuments:
    """Fetches documents, a few at once."""

    http: PublicHttp
    app_schemes: Container[str] = APP_SCHEMES
    _reading: dict[str, _Reading] = field(default_factory=dict)

    async def fetch(self, client_id: str, asker: str = "") -> Client:
        """Read the client that an address tells of; who asks for it meanwhile gets the same.

        Clients that somebody has consented to are read for nobody in particular (`asker` is empty)
        and have room of their own, so that no crowd of others can keep them out.

        Raises:
            UnusableDocumentError: it cannot be had, or breaks the rules for such documents.
            TooManyDocumentsError: as many are being read as may, in all or for this asker.
        """
        reading = self._reading.get(client_id)
        if reading is None:
            self._demand_room(asker)
            reading = _Reading(asyncio.create_task(self._fetch(client_id)), asker)
            self._reading[client_id] = reading
            # Whoever asked may have left: then nobody else looks at how it has ended.
            reading.task.add_done_callback(lambda task: task.cancelled() or task.exception())
            reading.task.add_done_callback(lambda _: self._reading.pop(client_id))
        return await asyncio.shield(reading.task)

    def _demand_room(self, asker: str) -> None:
        askers = [reading.asker for reading in self._reading.values()]
        same_kind = [each for each in askers if bool(each) == bool(asker)]
        if len(same_kind) >= AT_ONCE_MAX or (asker and askers.count(asker) >= OF_ONE_MAX):
            raise TooManyDocumentsError

    async def _fetch(self, client_id: str) -> Client:
        try:
            told = await self._read(client_id)
        except (UnreachableError, ValueError, RecursionError) as error:
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


def documents_of(request: Request) -> ClientDocuments:
    """Return the documents of clients that the process of a request has read."""
    documents: ClientDocuments = request.app.documents
    return documents

"""The SDK's own OAuth client, and a person who consents to all that it asks."""

import contextlib
import re
from collections.abc import AsyncIterator

import httpx2
from mcp.client.auth import OAuthClientProvider, TokenStorage
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)
from pydantic import AnyUrl
from typing_extensions import override

from tests.doors.oauth_by_hand import Flow, said

LOCAL_CALLBACK = "http://localhost:3030/callback"


class Kept(TokenStorage):
    """What a client keeps, in memory."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    @override
    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    @override
    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    @override
    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    @override
    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


@contextlib.asynccontextmanager
async def official_client(
    flow: Flow, path: str, kept: Kept, document_url: str | None = None
) -> AsyncIterator[Client]:
    """Connect; the client registers, or is known by the address of its document."""
    answers = []

    async def open_page(url: str) -> None:
        page = await flow.http.get(url, follow_redirects=True)
        form = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text))
        answers.append(said(await flow.answer(form)))

    async def come_back() -> AuthorizationCodeResult:
        return AuthorizationCodeResult(**answers[-1])

    told = OAuthClientMetadata(redirect_uris=[AnyUrl(LOCAL_CALLBACK)], client_name="The SDK")
    provider = OAuthClientProvider(
        flow.origin + path, told, kept, open_page, come_back, client_metadata_url=document_url
    )
    async with httpx2.AsyncClient(auth=provider, timeout=20) as http:
        streamable = streamable_http_client(flow.origin + path, http_client=http)
        async with Client(streamable) as claude:
            yield claude

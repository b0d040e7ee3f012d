"""The SDK's view of the built-in authorization server: it translates, and `Grants` decides."""

import re
import time

from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    AuthorizeError,
    IdentityAssertionParams,
    RefreshToken,
    RegistrationError,
    TokenError,
    construct_redirect_uri,
)
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import AnyUrl

from bridge.errors import BridgeError, TooLargeError, TransientError
from bridge.store.grants import ConsentRequest, Granted, HeldToken
from bridge.verbs.oauth_grants import Grants, Pair, name_of
from bridge.web.oauth.clients import Client, fault_of_redirects, readable
from bridge.web.oauth.documents import ClientDocuments, UnusableDocumentError, is_address

CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
"""What S256 makes of any verifier (RFC 7636, 4.2)."""

TOLD = {"redirect_uris", "client_name", "grant_types", "token_endpoint_auth_method"}
"""What counts of all that a client says of itself."""

NAME_CHARS = 100
SOON_S = 30


class Code(AuthorizationCode):
    """A code, with what it was granted for."""

    granted: Granted


class Refresh(RefreshToken):
    """A refresh token, with the grant that it is of."""

    held: HeldToken


class GrantedAccessToken(AccessToken):
    """An access token, with the grant that it is of."""

    held: HeldToken


class Provider:
    """Serves the SDK's handlers of one request.

    Clients' documents are read where `documents` are given, and else as they were kept; `resource`
    is what a token request names, if anything; `asker` whose address asks. `fault` says why a
    document lets nobody in, `registered` what the log calls a client that has come to be known.
    """

    def __init__(
        self,
        grants: Grants,
        documents: ClientDocuments | None = None,
        resource: str | None = None,
        asker: str = "",
    ) -> None:
        self._grants = grants
        self._asker = asker
        self._documents = documents
        self._resource = resource
        self.fault: BridgeError | None = None
        self.registered = ""

    async def get_client(self, client_id: str) -> Client | None:
        """Find a client: one that its id leads to, or that its id tells of, or that is on record.

        Where no documents are read the id of one is enough: a code and a token are their own
        client's, and nothing else of it counts there.
        """
        if is_address(client_id):
            return await self._fetch(client_id) if self._documents else _public(client_id)
        kept = await self._grants.client(client_id)
        if kept is None:
            return None
        told = Client.model_validate({**kept, "client_id": client_id})
        return self._without_bad_redirects(told)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        """Return a client that registers its id; it becomes a public one (RFC 7591, 3.2.1).

        Raises:
            RegistrationError: it wants to be redirected to where nobody should be, or to too many
                places.
        """
        fault = fault_of_redirects(client_info.redirect_uris, self._grants.app_schemes)
        if fault:
            raise RegistrationError("invalid_redirect_uri", fault)
        client_info.token_endpoint_auth_method = "none"  # noqa: S105 - a method, no password
        client_info.client_secret = client_info.client_secret_expires_at = None
        told = client_info.model_dump(mode="json", include=TOLD, exclude_defaults=True)
        try:
            client_info.client_id = await self._grants.register(told)
        except TooLargeError as error:
            raise RegistrationError("invalid_client_metadata", str(error)) from error
        self.registered = name_of(client_info.client_id)

    async def authorize(
        self, client: OAuthClientInformationFull, params: AuthorizationParams
    ) -> str:
        """Lead to the page where a person consents.

        Raises:
            AuthorizeError: PKCE is wrong, no server here is named, or it is all too long.
        """
        if not CHALLENGE.fullmatch(params.code_challenge):
            raise AuthorizeError("invalid_request", "code_challenge must be of S256")
        server = self._grants.server_of(params.resource)
        if server is None or params.resource is None:
            raise AuthorizeError("invalid_target", "`resource` must be the MCP server's address")
        asked = ConsentRequest(
            client_id=client.client_id,
            client_name=readable(client.client_name or "")[:NAME_CHARS],
            redirect_uri=str(params.redirect_uri),
            is_redirect_given=params.redirect_uri_provided_explicitly,
            state=params.state,
            code_challenge=params.code_challenge,
            scopes=tuple(params.scopes or ()),
            resource=params.resource,
            server=server,
        )
        try:
            return f"{self._grants.issuer}/consent?id={await self._grants.ask(asked)}"
        except TooLargeError as error:
            raise AuthorizeError("invalid_request", str(error)) from error

    async def load_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: str
    ) -> Code | None:
        """Find what a code stands for."""
        granted = await self._grants.code(authorization_code)
        if granted is None or granted.asked.client_id != client.client_id:
            return None
        return _code(authorization_code, granted)

    async def exchange_authorization_code(
        self, _client: OAuthClientInformationFull, authorization_code: Code
    ) -> OAuthToken:
        """Return tokens for a code, once.

        Raises:
            TokenError: it was used, or is for another server than the request names.
        """
        self._demand_resource(authorization_code.granted)
        code = authorization_code.code
        return _told(await self._grants.exchange(code, authorization_code.granted))

    async def load_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: str
    ) -> Refresh | None:
        """Find the grant that a refresh token is of."""
        held = await self._grants.held(refresh_token)
        if held is None or held.kind != "refresh":
            return None
        asked = held.granted.asked
        if asked.client_id != client.client_id:
            return None
        return Refresh(
            token=refresh_token, client_id=asked.client_id, scopes=list(held.scopes), held=held
        )

    async def exchange_refresh_token(
        self, _client: OAuthClientInformationFull, refresh_token: Refresh, scopes: list[str]
    ) -> OAuthToken:
        """Return new tokens for a refresh token.

        Raises:
            TokenError: it counts no more, or for another server than the request names.
        """
        held = refresh_token.held
        self._demand_resource(held.granted)
        return _told(await self._grants.rotate(refresh_token.token, held, tuple(scopes)))

    async def load_access_token(  # pragma: no cover - only SDK handlers that are not used ask
        self, token: str
    ) -> GrantedAccessToken | None:
        """Find the grant that an access token is of."""
        held = await self._grants.held(token)
        if held is None or held.kind != "access":
            return None
        client_id = held.granted.asked.client_id
        return GrantedAccessToken(
            token=token, client_id=client_id, scopes=list(held.scopes), held=held
        )

    async def revoke_token(  # pragma: no cover - as above
        self, token: GrantedAccessToken | Refresh
    ) -> None:
        """End the grant that a token is of."""
        await self._grants.end(token.held)

    async def exchange_identity_assertion(  # pragma: no cover - off in the SDK's settings
        self, _client: OAuthClientInformationFull, _params: IdentityAssertionParams
    ) -> OAuthToken:
        """Refuse.

        Raises:
            TokenError: always.
        """
        raise TokenError("unsupported_grant_type", "there are no assertions here")

    async def _fetch(self, client_id: str) -> Client | None:
        assert self._documents is not None, "asked for only where there are some"
        try:
            is_used = await self._grants.is_used(client_id)
            return await self._documents.fetch(client_id, "" if is_used else self._asker)
        except (UnusableDocumentError, TransientError) as error:
            self.fault = error
            return None

    def _without_bad_redirects(self, client: Client) -> Client:
        """Leave out what it could not register any more: records outlive rules."""
        schemes = self._grants.app_schemes
        uris = [uri for uri in client.redirect_uris or () if not fault_of_redirects([uri], schemes)]
        return client.model_copy(update={"redirect_uris": uris})

    def _demand_resource(self, granted: Granted) -> None:
        if self._resource is not None and self._resource != granted.asked.resource:
            raise TokenError("invalid_target", "this was granted for another resource")


def answer_uri(asked: ConsentRequest, issuer: str, **said: str) -> str:
    """Return the address that the person is sent back to, the issuer said with it (RFC 9207)."""
    return construct_redirect_uri(asked.redirect_uri, **said, state=asked.state, iss=issuer)


def _code(code: str, granted: Granted) -> Code:
    asked = granted.asked
    return Code(
        code=code,
        scopes=list(asked.scopes),
        expires_at=time.time() + SOON_S,  # Redis forgets it in time
        client_id=asked.client_id,
        code_challenge=asked.code_challenge,
        redirect_uri=AnyUrl(asked.redirect_uri),
        redirect_uri_provided_explicitly=asked.is_redirect_given,
        resource=asked.resource,
        granted=granted,
    )


def _public(client_id: str) -> Client:
    return Client(client_id=client_id, token_endpoint_auth_method="none")  # noqa: S106 - no password


def _told(pair: Pair | None) -> OAuthToken:
    if pair is None:
        raise TokenError("invalid_grant", "it was used before, or its grant has ended")
    return OAuthToken(
        access_token=pair.access,
        expires_in=pair.expires_in_s,
        scope=" ".join(pair.scopes),
        refresh_token=pair.refresh,
    )

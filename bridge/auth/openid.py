"""Logging in with an issuer of identities: the authorization code flow of OpenID Connect.

Source: OpenID Connect Core 1.0, 3.1; RFC 7636 (PKCE); RFC 9207 (`iss` of an answer).
"""

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, urlencode

import httpx2

from bridge.auth.authentication import is_same
from bridge.auth.issuer import ASK_S, PublishedKeys
from bridge.errors import TransientError, UnauthorizedError
from bridge.models import Json

ASKED_AT_ONCE = 8
"""How many answers are brought to the issuer at once: anybody may bring made-up ones."""
AGAIN_S = 10.0
BASIC = "client_secret_basic"
AWAY = "the issuer that people log in with cannot be reached"
REFUSED = "the issuer does not vouch for this login: begin it again"
NOT_ITS_CLIENT = (
    "the issuer does not know this bridge as a client: see BRIDGE_CONSOLE_CLIENT_ID and "
    "BRIDGE_CONSOLE_CLIENT_SECRET"
)


@dataclass(frozen=True)
class LoginAttempt:
    """What a browser keeps while its user is at the issuer, to prove that it has begun the login.

    The code counts with the `verifier` alone, the ID token with the `nonce`.
    """

    state: str
    nonce: str
    verifier: str

    @classmethod
    def new(cls) -> Self:
        """Return one that nobody can guess."""
        return cls(*(secrets.token_urlsafe(32) for _ in range(3)))


class OpenIdClient:
    """This bridge as a client of one issuer."""

    def __init__(self, issuer: str, client_id: str, client_secret: str, scopes: str) -> None:
        self._published = PublishedKeys(issuer)
        self._client_id = client_id
        self._client_secret = client_secret
        self._scopes = scopes
        self._asking = asyncio.Semaphore(ASKED_AT_ONCE)

    async def address(self, attempt: LoginAttempt, redirect_uri: str) -> str:
        """Return where at the issuer people log in.

        Raises:
            TransientError: it cannot be reached.
        """
        asked = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": redirect_uri,
            "scope": self._scopes,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": _challenge(attempt.verifier),
            "code_challenge_method": "S256",
        }
        endpoint = await self._endpoint("authorization_endpoint")
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"

    async def identify(
        self, answer: Mapping[str, str], attempt: LoginAttempt, redirect_uri: str
    ) -> dict[str, Json]:
        """Return what the issuer says of who has logged in, by the answer that the browser brings.

        Raises:
            UnauthorizedError: it vouches for nobody.
            TransientError: it cannot be reached.
        """
        metadata = await self._published.metadata()
        is_ours = answer.get("iss", metadata.get("issuer")) == metadata.get("issuer")
        if not is_ours or not answer.get("code"):
            raise UnauthorizedError(REFUSED)
        async with self._asking:
            token = await self._redeem(answer["code"], attempt, redirect_uri)
        claims = await self._published.verified(token, self._client_id)
        # A token that is for others too names the one that asked for it.
        is_for_us = claims and claims.get("azp", self._client_id) == self._client_id
        if claims is None or not is_for_us or not is_same(str(claims.get("nonce")), attempt.nonce):
            raise UnauthorizedError(REFUSED)
        return claims

    async def _redeem(self, code: str, attempt: LoginAttempt, redirect_uri: str) -> str:
        """Return the ID token that a code stands for."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": attempt.verifier,
        }
        headers = {"accept": "application/json"}
        metadata = await self._published.metadata()
        methods = metadata.get("token_endpoint_auth_methods_supported") or [BASIC]
        if self._client_secret and isinstance(methods, list) and BASIC in methods:
            headers["authorization"] = self._basic()
        else:
            form["client_id"] = self._client_id
            form |= {"client_secret": self._client_secret} if self._client_secret else {}
        endpoint = await self._endpoint("token_endpoint")
        try:
            async with httpx2.AsyncClient(timeout=ASK_S) as http:
                answer = await http.post(endpoint, data=form, headers=headers)
            told: Json = answer.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise TransientError(AWAY, AGAIN_S) from error
        if isinstance(told, dict) and isinstance(token := told.get("id_token"), str):
            return token
        if isinstance(told, dict) and told.get("error") == "invalid_client":
            raise UnauthorizedError(NOT_ITS_CLIENT)
        raise UnauthorizedError(REFUSED)

    def _basic(self) -> str:
        """Source: RFC 6749, 2.3.1: both are encoded as a form is."""
        pair = f"{quote(self._client_id, safe='')}:{quote(self._client_secret, safe='')}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"

    async def _endpoint(self, name: str) -> str:
        found = (await self._published.metadata()).get(name)
        if not isinstance(found, str):
            raise TransientError(AWAY, AGAIN_S)
        return found


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")

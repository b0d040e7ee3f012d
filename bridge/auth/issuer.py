"""Outside issuers of tokens: their keys, and what their tokens prove."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx2
import jwt

from bridge.models import Json

logger = logging.getLogger(__name__)

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
"""None that shares a secret: whoever could check such a token could make one."""

WELL_KNOWN = ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration")
KEPT_S = 600.0
AGAIN_S = 10.0
"""How soon keys are fetched again at most, whatever keys tokens name."""

ASK_S = 5.0
LEEWAY_S = 30


SUBJECT_CHARS_MAX = 255
"""Source: OpenID Connect Core 1.0, 2. A longer one is none: cut, two would be one principal."""


@dataclass(frozen=True)
class Claims:
    """What a token proves: whose it is, and what for."""

    subject: str
    scopes: frozenset[str]


class Issuer:
    """Checks the JWTs of one issuer (RFC 9068) by the keys that it publishes (RFC 7517)."""

    def __init__(self, url: str) -> None:
        self._published = PublishedKeys(url)

    async def check(self, token: str, audience: Sequence[str]) -> Claims | None:
        """Read an access token that is for one of these resources; None for any other."""
        claims = await self._published.verified(token, audience)
        if claims is None:
            return None
        return Claims(str(claims["sub"]), _scopes(claims.get("scope", claims.get("scp"))))


class PublishedKeys:
    """What one issuer publishes: its keys, and the metadata that lead to them (RFC 8414)."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str, jwt.PyJWK] = {}
        self._metadata: dict[str, Json] = {}
        self._fetched_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def metadata(self) -> Mapping[str, Json]:
        """Return what the issuer says of itself; nothing where it was never to be reached."""
        async with self._fetching:
            age_s = _now() - self._fetched_at
            if age_s > KEPT_S or (not self._metadata and age_s > AGAIN_S):
                await self._fetch()
        return self._metadata

    async def verified(self, token: str, audience: str | Sequence[str]) -> dict[str, Json] | None:
        """Return what a token of the issuer's says, for one of these; None for any other."""
        try:
            header = jwt.get_unverified_header(token)
            key = await self._key(str(header.get("kid", "")))
            if key is None:
                return None
            claims: dict[str, Json] = jwt.decode(
                token,
                key,
                algorithms=[name for name in ALGORITHMS if key.algorithm_name in (None, name)],
                audience=audience,
                issuer=str(self._metadata["issuer"]),
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError:
            return None
        return claims if 0 < len(str(claims["sub"])) <= SUBJECT_CHARS_MAX else None

    async def _key(self, key_id: str) -> jwt.PyJWK | None:
        """Find the key of an id; keys are fetched anew when they are old, or when it is unknown."""
        async with self._fetching:
            age_s = _now() - self._fetched_at
            if age_s > KEPT_S or (key_id not in self._keys and age_s > AGAIN_S):
                await self._fetch()
        return self._keys.get(key_id)

    async def _fetch(self) -> None:
        """Read the issuer's keys; those known before stay while it does not answer."""
        self._fetched_at = _now()
        try:
            async with httpx2.AsyncClient(timeout=ASK_S) as http:
                metadata = await self._read_metadata(http)
                answer = await http.get(str(metadata["jwks_uri"]))
                found = jwt.PyJWKSet.from_dict(answer.raise_for_status().json())
        except (httpx2.HTTPError, jwt.PyJWTError, ValueError, KeyError, TypeError) as error:
            logger.warning("issuer.keys_not_read", extra={"reason": str(error)})
            return
        self._keys = {str(key.key_id or ""): key for key in found.keys}
        self._metadata = metadata

    async def _read_metadata(self, http: httpx2.AsyncClient) -> dict[str, Json]:
        """Read what it says of itself; its own name may end with a slash that ours lacks."""
        for path in WELL_KNOWN:
            answer = await http.get(self._url.rstrip("/") + path)
            if answer.status_code == httpx2.codes.OK:
                metadata: dict[str, Json] = answer.json()
                if str(metadata["issuer"]).removesuffix("/") == self._url.removesuffix("/"):
                    return metadata
        raise ValueError("no metadata that names this issuer")


def _scopes(claim: object) -> frozenset[str]:
    named = claim.split() if isinstance(claim, str) else claim
    return frozenset(str(name) for name in named) if isinstance(named, list) else frozenset()


def _now() -> float:
    return asyncio.get_running_loop().time()

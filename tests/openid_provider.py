"""An OpenID provider as Keycloak or Entra is one, with people who log in without being asked."""

import base64
import contextlib
import hashlib
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from bridge.local.ports import free_port
from tests.serving import serving_any

CLIENT_ID, CLIENT_SECRET = "bridge", "the-secret-of/the+client"
ANN: dict[str, Any] = {
    "sub": "8f3a",
    "email": "ann@example.com",
    "email_verified": True,
    "preferred_username": "ann",
    "groups": ["staff", "bridge-operators"],
}


@dataclass
class Provider:
    """A provider that runs; `person` logs in next, `changes` are made to the next ID tokens."""

    issuer: str
    methods: list[str] = field(default_factory=lambda: ["client_secret_basic"])
    person: dict[str, Any] = field(default_factory=lambda: dict(ANN))
    changes: dict[str, Any] = field(default_factory=dict)
    refuses: bool = False
    keys: dict[str, rsa.RSAPrivateKey] = field(default_factory=dict)
    published: list[str] = field(default_factory=list)
    asked: dict[str, dict[str, str]] = field(default_factory=dict)
    redeemed: int = 0

    @property
    def settings(self) -> dict[str, Any]:
        """What a bridge is told whose operators log in here."""
        return {
            "console_issuer": self.issuer,
            "console_client_id": CLIENT_ID,
            "console_client_secret": SecretStr(CLIENT_SECRET),
            "console_operators": ("groups=bridge-operators",),
        }

    def rotate(self, name: str, *, published: bool = True) -> None:
        """Sign with another key from now on, and publish it beside or without the others."""
        self.keys = {name: rsa.generate_private_key(65537, 2048)} | self.keys
        if published:
            self.published = [name]

    def app(self) -> Starlette:
        """Serve what a provider has."""
        return Starlette(
            routes=[
                Route("/realms/main/.well-known/openid-configuration", self._metadata),
                Route("/realms/main/certs", self._certs),
                Route("/realms/main/auth", self._authorize),
                Route("/realms/main/token", self._token, methods=["POST"]),
            ]
        )

    async def _metadata(self, _request: Request) -> Response:
        at = self.issuer.rstrip("/")
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{at}/auth",
                "token_endpoint": f"{at}/token",
                "jwks_uri": f"{at}/certs",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": self.methods,
            }
        )

    async def _certs(self, _request: Request) -> Response:
        algorithm = jwt.algorithms.RSAAlgorithm
        keys = [
            algorithm.to_jwk(self.keys[name].public_key(), as_dict=True)
            | {"kid": name, "use": "sig", "alg": "RS256"}
            for name in self.published
        ]
        return JSONResponse({"keys": keys})

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        assert "openid" in asked["scope"].split()
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        answer = {"state": asked["state"], "iss": self.issuer}
        if self.refuses:
            answer |= {"error": "access_denied", "error_description": "<b>no</b>"}
        else:
            self.asked[code] = asked
            answer |= {"code": code, "session_state": "1"}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}", 302)

    async def _token(self, request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        if self._client(request, form) != (CLIENT_ID, CLIENT_SECRET):
            return JSONResponse({"error": "invalid_client"}, 401)
        asked = self.asked.pop(form["code"], None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            asked is None
            or form["grant_type"] != "authorization_code"
            or form["redirect_uri"] != asked["redirect_uri"]
            or challenge != asked["code_challenge"]
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        self.redeemed += 1
        return JSONResponse(
            {"access_token": "opaque", "token_type": "Bearer", "id_token": self._id_token(asked)}
        )

    def _client(self, request: Request, form: dict[str, str]) -> tuple[str, str]:
        if "client_secret_basic" not in self.methods:
            return form.get("client_id", ""), form.get("client_secret", "")
        given = request.headers.get("authorization", "").removeprefix("Basic ")
        name, _, secret = base64.b64decode(given).decode().partition(":")
        return unquote(name), unquote(secret)

    def _id_token(self, asked: dict[str, str]) -> str:
        claims = self.person | {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": int(time.time()),
            "exp": int(time.time()) + 300,
            "nonce": asked["nonce"],
        }
        kept = {name: each for name, each in (claims | self.changes).items() if each is not None}
        name, key = next(iter(self.keys.items()))
        return jwt.encode(kept, key, "RS256", {"kid": name})


@contextlib.asynccontextmanager
async def provider() -> AsyncIterator[Provider]:
    """Run a provider on loopback while the block lasts."""
    port = free_port()
    running = Provider(f"http://127.0.0.1:{port}/realms/main")
    running.rotate("first")
    async with serving_any(running.app(), port=port):
        yield running

"""An issuer outside: its tokens are believed for what they say, and only those that are its."""

import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bridge.auth import issuer as issuer_module
from bridge.auth.authentication import EVERYTHING, Scope
from bridge.local.ports import free_port
from bridge.models import Principal
from tests.doors.oauth_by_hand import Flow, open_flow
from tests.doors.scoped import DESK, READS, client, names, told
from tests.serving import serving_any


class Outside:
    """An issuer with keys that it may change."""

    def __init__(self, origin: str) -> None:
        self.url = origin
        self.keys = {"k1": ec.generate_private_key(ec.SECP256R1())}
        self.names = origin
        self.asked = 0

    def app(self) -> Starlette:
        """Serve what it publishes."""
        routes = [
            Route("/.well-known/openid-configuration", self._metadata),
            Route("/keys", self._keys),
        ]
        return Starlette(routes=routes)

    async def _metadata(self, _request: Request) -> Response:
        return JSONResponse({"issuer": self.names, "jwks_uri": f"{self.url}/keys"})

    async def _keys(self, _request: Request) -> Response:
        self.asked += 1
        algorithm = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256)
        keys = [
            algorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": name, "alg": "ES256"}
            for name, key in self.keys.items()
        ]
        return JSONResponse({"keys": keys})

    def token(self, flow: Flow, key_id: str = "k1", **changes: Any) -> str:
        """Make a token for ann at the desk."""
        claims = {
            "iss": self.url,
            "sub": "ann:1",
            "aud": flow.resource,
            "exp": time.time() + 60,
            "scope": "read act",
        } | changes
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(kept, self.keys[key_id], "ES256", {"kid": key_id})


@pytest.fixture
async def outside() -> AsyncIterator[Outside]:
    port = free_port()
    issuer = Outside(f"http://127.0.0.1:{port}")
    async with serving_any(issuer.app(), port=port):
        yield issuer


@pytest.fixture
async def flow(redis_url: str, outside: Outside) -> AsyncIterator[Flow]:
    async with open_flow(redis_url, oauth=None, oauth_issuer=outside.url) as opened:
        yield opened


async def test_its_tokens_let_in_their_subject_and_no_tokens_namesake(
    flow: Flow, outside: Outside
) -> None:
    modern = client(flow.http, flow.origin, outside.token(flow))
    started = (await told(modern, "stamp"))["result"]["structuredContent"]
    call = await flow.runtime.stores.calls.read(started["call_id"])
    assert call
    assert call.principal == Principal("desk", "~ann%3A1")


async def test_subjects_that_begin_alike_are_two_however_long(flow: Flow, outside: Outside) -> None:
    """Source: OpenID Connect Core 1.0, 2: a subject has up to 255 characters."""
    admitted = [
        await flow.runtime.mcp.authenticator.admit(
            DESK, f"Bearer {outside.token(flow, sub='é' * 254 + end)}"
        )
        for end in "ab"
    ]
    assert admitted[0].principal != admitted[1].principal


async def test_clients_are_led_to_it(flow: Flow, outside: Outside) -> None:
    answer = await flow.http.get(f"{flow.origin}/.well-known/oauth-protected-resource/mcp/desk")
    assert answer.json()["authorization_servers"] == [outside.url]
    assert (await flow.register()).status_code == 404


@pytest.mark.parametrize(
    ("claims", "scope"),
    [
        ({"scope": "read"}, Scope(acts=False)),
        ({"scope": None, "scp": ["act", "openid"]}, EVERYTHING),
        ({"aud": ["https://else.example", "{0}/sse/desk"]}, EVERYTHING),
    ],
)
async def test_its_scopes_and_audiences_are_read(
    flow: Flow, outside: Outside, claims: dict[str, Any], scope: Scope
) -> None:
    if isinstance(claims.get("aud"), list):
        claims = {"aud": [text.format(flow.origin) for text in claims["aud"]]}
    access = await flow.runtime.mcp.authenticator.admit(
        DESK, f"Bearer {outside.token(flow, **claims)}"
    )
    assert access.scope == scope


async def test_who_may_only_read_sees_what_reads(flow: Flow, outside: Outside) -> None:
    modern = client(flow.http, flow.origin, outside.token(flow, scope="read"))
    assert await names(modern) == READS


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": None},
        {"aud": "https://else.example/mcp/desk"},
        {"aud": "{0}/mcp/other"},
        {"aud": "{0}/mcp/desk/"},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 256},
        {"exp": None},
        {"exp": 1},
        {"nbf": 9_999_999_999},
    ],
)
async def test_what_is_not_for_here_and_now_lets_nobody_in(
    flow: Flow, outside: Outside, changes: dict[str, Any]
) -> None:
    given = {
        name: value.format(flow.origin) if isinstance(value, str) else value
        for name, value in changes.items()
    }
    assert await flow.status(outside.token(flow, **given)) == 401


async def test_a_token_without_a_scope_that_counts_is_told_which_would(
    flow: Flow, outside: Outside
) -> None:
    """Source: RFC 6750, 3.1."""
    headers = {"authorization": f"Bearer {outside.token(flow, scope='openid')}"}
    answer = await flow.http.post(flow.resource, headers=headers)
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert 'scope="read act"' in answer.headers["www-authenticate"]


async def test_a_token_without_a_scope_that_counts_is_on_record(
    flow: Flow, outside: Outside, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "audit"):
        await flow.status(outside.token(flow, scope="openid"))
    (line,) = [vars(line) for line in caplog.records if line.name == "audit"]
    assert (line["who"], line["what"]) == ("unknown", "POST /mcp/desk")
    assert line["outcome"] == "forbidden"


async def test_a_key_of_somebody_else_is_none(flow: Flow, outside: Outside) -> None:
    claims = jwt.decode(outside.token(flow), options={"verify_signature": False})
    stranger = ec.generate_private_key(ec.SECP256R1())
    big = rsa.generate_private_key(65537, 2048)
    for token in (
        jwt.encode(claims, stranger, "ES256", {"kid": "k1"}),
        jwt.encode(claims, big, "RS256", {"kid": "k1"}),
        jwt.encode(claims, "", "none", {"kid": "k1"}),
        jwt.encode(claims, "x" * 64, "HS256", {"kid": "k1"}),
        outside.token(flow)[:-8] + "AAAAAAAA",
        "a.b.c",
    ):
        assert await flow.status(token) == 401


async def test_a_new_key_is_found_and_an_old_one_forgotten(
    flow: Flow, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuer_module, "AGAIN_S", 0.0)
    old = outside.token(flow)
    assert await flow.status(old) != 401
    outside.keys = {"k2": ec.generate_private_key(ec.SECP256R1())}
    assert await flow.status(outside.token(flow, "k2")) != 401
    assert await flow.status(old) == 401


async def test_keys_are_kept_and_not_asked_for_with_each_token(
    flow: Flow, outside: Outside
) -> None:
    for _ in range(3):
        assert await flow.status(outside.token(flow)) != 401
    outside.keys["k9"] = outside.keys["k1"]
    forged = [outside.token(flow, "k9") for _ in range(3)]
    assert [await flow.status(token) for token in forged] == [401, 401, 401]
    assert outside.asked == 1


@pytest.mark.parametrize("names", ["https://evil.example", None])
async def test_the_keys_of_an_address_that_names_another_issuer_let_nobody_in(
    flow: Flow, outside: Outside, names: str, caplog: pytest.LogCaptureFixture
) -> None:
    outside.names = names
    with caplog.at_level(logging.WARNING, "bridge"):
        assert await flow.status(outside.token(flow)) == 401
    assert "issuer.keys_not_read" in caplog.messages
    assert not outside.asked


async def test_who_was_let_in_stays_in_while_the_keys_cannot_be_read(
    flow: Flow, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await flow.status(outside.token(flow)) != 401
    monkeypatch.setattr(issuer_module, "KEPT_S", 0.0)
    outside.names = "https://evil.example"
    assert await flow.status(outside.token(flow)) != 401

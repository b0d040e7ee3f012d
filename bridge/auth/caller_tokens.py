"""Tokens by which n8n is told who asks: JWTs (RFC 7519), and the keys that they are signed with.

On purpose: ES256, for it is what n8n's JWT node can verify by a public key of a few bytes.
"""

import base64
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm

from bridge.models import Json

ALGORITHM = "ES256"
TYPE = "bridge-caller+jwt"
"""What `typ` says, so that none of these is taken for another kind of token (RFC 8725, 3.11)."""

LIFE_S = 300
"""How long a token counts."""

_HEADER = f'{{"typ":"{TYPE}"'
BEGIN = base64.b64encode(_HEADER[: len(_HEADER) // 3 * 3].encode()).decode()
"""How all of them begin, whichever key has signed them."""

_SEGMENT = r"[A-Za-z0-9_-]+"
TOKEN = re.compile(rf"{re.escape(BEGIN)}{_SEGMENT}\.{_SEGMENT}\.{_SEGMENT}")
"""Any of these tokens."""


@dataclass(frozen=True)
class CallerKey:
    """A key, by its id; `private` is PEM."""

    key_id: str
    private: str

    @classmethod
    def made(cls) -> "CallerKey":
        """Return a new key."""
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return cls(secrets.token_urlsafe(9), pem.decode())

    @property
    def public(self) -> ec.EllipticCurvePublicKey:
        """Return its public half."""
        return self._loaded.public_key()

    @property
    def public_pem(self) -> str:
        """Return its public half as PEM, as n8n's credential *JWT Auth* takes it."""
        pem = self.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return pem.decode()

    @property
    def jwk(self) -> dict[str, Json]:
        """Return its public half as a JWK (RFC 7517), with the same as `pem`."""
        numbers = ECAlgorithm.to_jwk(self.public, as_dict=True)
        about = {"kid": self.key_id, "use": "sig", "alg": ALGORITHM, "pem": self.public_pem}
        return {**numbers, **about}

    def sign(self, claims: Mapping[str, Json]) -> str:
        """Return a token that says this."""
        header = {"typ": TYPE, "kid": self.key_id}
        return jwt.encode(
            dict(claims), self._loaded, algorithm=ALGORITHM, headers=header, sort_headers=False
        )

    @cached_property
    def _loaded(self) -> ec.EllipticCurvePrivateKey:
        key = load_pem_private_key(self.private.encode(), password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey), "it was made here"
        return key

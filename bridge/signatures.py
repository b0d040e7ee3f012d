"""Signatures of hooks: pure, over the exact bytes that came, before anything unpacks them.

On purpose our own and not the package `standardwebhooks`: that one reads the clock by itself, takes
one secret, and brings an HTTP client along; what it does is these few lines of hmac.
"""

import base64
import binascii
import hashlib
import hmac

TOLERANCE_S = 300
"""How far a sender's clock may be off, either way."""

_PREFIX = "whsec_"


def key_of(secret: str) -> bytes:
    """Give the key that a Standard Webhooks secret stands for: base64, perhaps after `whsec_`.

    Raises:
        ValueError: it is no base64.
    """
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("must be base64, with or without whsec_ before it") from error
    if not key:
        raise ValueError("must hold more than whsec_")
    return key


def sign(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    """Make one `v1` signature as it stands in `webhook-signature`.

    Source: Standard Webhooks 1.0, "Signature scheme".
    """
    # Header values are latin-1 on their way in: so these are the bytes that the sender signed.
    signed = f"{message_id}.{timestamp}.".encode("latin-1") + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def is_signed(signatures: str, key: bytes, message_id: str, timestamp: str, body: bytes) -> bool:
    """Tell whether one of several signatures, with spaces between, is right; only `v1` can be."""
    right = sign(key, message_id, timestamp, body)
    # All of them are compared: the time tells nothing.
    return True in [is_same(given, right) for given in signatures.split()]


def is_timely(timestamp: str, now_s: float) -> bool:
    """Tell whether a moment, in seconds since 1970, is at most TOLERANCE_S away."""
    digits = timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12
    return digits and abs(int(timestamp) - now_s) <= TOLERANCE_S


def sign_as_github(secret: str, body: bytes) -> str:
    """Make the value of `X-Hub-Signature-256`.

    Source: GitHub, "Validating webhook deliveries".
    """
    return "sha256=" + hmac.digest(secret.encode(), body, hashlib.sha256).hex()


def is_same(given: str, known: str) -> bool:
    """Compare without telling by the time it takes where the two differ."""
    return hmac.compare_digest(given.encode(), known.encode())

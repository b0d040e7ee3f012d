"""Signatures of hooks: pure, over the exact bytes that came, before anything unpacks them.

On purpose our own and not the package `standardwebhooks`: that one reads the clock by itself, takes
one secret, and brings an HTTP client along; what it does is these few lines of hmac.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

SIGNED = "the body, byte for byte as it was sent, by one of this hook's secrets"

TOLERANCE_S = 300
"""How far a sender's clock may be off, either way."""

SEPARATORS = re.compile(r"[,;\s]+")
"""What stands between the parts of a header that holds several."""

_MS_DIGITS = 13
_PREFIX = "whsec_"


def key_of(secret: str) -> bytes:
    """Return the key that a Standard Webhooks secret stands for: base64, perhaps after `whsec_`.

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
    """Report whether one of several signatures, with spaces between, is right; only `v1` can be."""
    right = sign(key, message_id, timestamp, body)
    # All of them are compared: the time tells nothing.
    known = right.encode()
    return True in [hmac.compare_digest(given.encode(), known) for given in signatures.split()]


def is_timely(timestamp: str, now_s: float, tolerance_s: float = TOLERANCE_S) -> bool:
    """Report whether a moment, in s or ms since 1970, is at most so many seconds away."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _MS_DIGITS):
        return False
    at_s = int(timestamp) / (1000 if len(timestamp) == _MS_DIGITS else 1)
    return abs(at_s - now_s) <= tolerance_s


@dataclass(frozen=True)
class HmacScheme:
    """How a provider signs a body: where the signature stands, and what it is made of.

    `header` holds one signature or several, each after `prefix`, with commas, semicolons or spaces
    between. `timestamp` names the header that says when it was made, or, with a `=` at its end, the
    part of `header` that does. `signed` is what is signed, of `{timestamp}` and `{body}`.
    """

    header: str
    algorithm: str = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""
    timestamp: str = ""
    signed: str = ""
    tolerance_s: float = TOLERANCE_S

    @property
    def headers(self) -> tuple[str, ...]:
        """Return the headers that prove something, in small letters."""
        own = self.timestamp and not self.is_in_header
        return tuple(map(str.lower, (self.header, self.timestamp) if own else (self.header,)))

    @property
    def is_in_header(self) -> bool:
        """Report whether the timestamp stands in the signature's own header."""
        return self.timestamp.endswith("=")

    def sign(self, secret: str, timestamp: str, body: bytes) -> bytes:
        """Return the signature of a body, before it is encoded."""
        form = self.signed or ("{timestamp}.{body}" if self.timestamp else "{body}")
        before, _, behind = (
            part.replace("{timestamp}", timestamp).encode("latin-1", "replace")
            for part in form.partition("{body}")
        )
        return hmac.digest(secret.encode(), before + body + behind, self.algorithm)

    def fault(
        self, secret: str, headers: Mapping[str, str], body: bytes | None, now_s: float
    ) -> str | None:
        """Report what is wrong with the signature of a body; None if it is right.

        Before the body was read, one that is as long as a signature counts as one.
        """
        parts = SEPARATORS.split(headers.get(self.header.lower(), ""))
        timestamp = self._timestamp(headers, parts)
        missing = self._missing(any(parts), timestamp)
        if missing:
            return f"{' and '.join(missing)}: is the request signed?"
        if self.timestamp and not is_timely(timestamp, now_s, self.tolerance_s):
            return (
                f"{self.timestamp.rstrip('=')} must be within {self.tolerance_s:.0f} seconds of "
                f"the bridge's clock, which is at {now_s:.0f}: the request is stale, or a clock is "
                "wrong"
            )
        right = self.sign(secret, timestamp, body or b"")
        given = [
            _decoded(part[len(self.prefix) :], self.encoding)
            for part in parts
            if part.startswith(self.prefix)
        ]
        could_be = any(len(each) == len(right) for each in given)
        # All of them are compared: the time tells nothing.
        is_right = True in [hmac.compare_digest(each, right) for each in given]
        if is_right or (body is None and could_be):
            return None
        return f"{self.header} must hold a signature of {SIGNED}"

    def _missing(self, has_signature: bool, timestamp: str) -> list[str]:
        """Return what a request lacks that nobody has signed."""
        said = [] if has_signature else [f"{self.header} must be there and hold a signature"]
        is_needed = bool(self.timestamp) and (has_signature or not self.is_in_header)
        if is_needed and not re.fullmatch("[0-9]+", timestamp):
            part = f"{self.timestamp} in {self.header}" if self.is_in_header else self.timestamp
            said.append(f"{part} must be there and be the seconds since 1970")
        return said

    def _timestamp(self, headers: Mapping[str, str], parts: list[str]) -> str:
        if not self.is_in_header:
            return headers.get(self.timestamp.lower(), "")
        begins = (part for part in parts if part.startswith(self.timestamp))
        return next(begins, "")[len(self.timestamp) :]


GITHUB = HmacScheme("X-Hub-Signature-256", prefix="sha256=")
"""Source: GitHub, "Validating webhook deliveries"."""

STRIPE = HmacScheme("Stripe-Signature", prefix="v1=", timestamp="t=")
"""Source: Stripe, "Verify webhook signatures manually"."""

SLACK = HmacScheme(
    "X-Slack-Signature",
    prefix="v0=",
    timestamp="X-Slack-Request-Timestamp",
    signed="v0:{timestamp}:{body}",
)
"""Source: Slack, "Verifying requests from Slack"."""

SHOPIFY = HmacScheme("X-Shopify-Hmac-SHA256", encoding="base64")
"""Source: Shopify, "Deliver webhooks through HTTPS", validate the origin."""


def sign_as_github(secret: str, body: bytes) -> str:
    """Make the value of `X-Hub-Signature-256`."""
    return GITHUB.prefix + GITHUB.sign(secret, "", body).hex()


def _decoded(signature: str, encoding: str) -> bytes:
    """Return the bytes of a signature; none for what is no such text."""
    try:
        if encoding == "hex":
            return bytes.fromhex(signature)
        return base64.b64decode(signature, validate=True)
    except ValueError:
        return b""

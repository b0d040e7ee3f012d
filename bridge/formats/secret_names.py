"""Names by which headers and parameters of addresses carry secrets, and values that look so."""

import base64
import re
from contextlib import suppress
from urllib.parse import unquote_plus

_WITHIN = (
    "authorization",
    "cookie",
    "signature",
    "hmac",
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "credential",
    "apikey",
    "accesskey",
    "authkey",
    "consumerkey",
    "functionskey",
    "masterkey",
    "privatekey",
    "signingkey",
    "subscriptionkey",
    "authcode",
    "devicecode",
    "securitycode",
    "verificationcode",
    "verifier",
    "assertion",
    "sessid",
    "jsessionid",
    "samlresponse",
)
_PARTS = frozenset({"sig", "jwt", "pwd", "pw", "pass", "bearer", "otp", "totp", "psk"})
_WHOLE = _PARTS | {"key", "auth", "code", "sign"}
"""As a part of a longer name these say nothing: `issue_key`, `country_code`."""

_UNQUOTED_MAX = 3
"""Addresses stand within addresses, each with its own percent signs quoted once more."""

_USER = re.compile(r"://[^/@\s]*@")
_ASSIGNED = re.compile(r"(?:^|[?#&;\s])([^?#&;=\s]{1,60})=.")
_MEMBER = re.compile(r'"([^"]{1,60})"\s*:')
_JWT = re.compile(r"(?<![\w-])eyJ[\w-]+\.[\w-]+\.[\w-]*")  # once a word: `eyJ-eyJ-…` is one
_BEARER = re.compile(r"\bbearer\s+(\S+)", re.IGNORECASE)
_BASIC = re.compile(r"\bbasic\s+([A-Za-z0-9+/_-]+=*)", re.IGNORECASE)
_TOKEN = re.compile(r".*[0-9]|.{20}")
"""What no word is that happens to stand behind "bearer" in a sentence."""


def names_a_secret(name: str) -> bool:
    """Report whether what a header or parameter of that name holds is surely nobody else's."""
    parts = re.findall(r"[a-z0-9]+", re.sub("([a-z])([A-Z])", r"\1 \2", name).lower())
    joined = "".join(parts)
    is_whole = joined in _WHOLE or not _PARTS.isdisjoint(parts)
    return is_whole or any(word in joined for word in _WITHIN)


def holds_a_secret(text: str) -> bool:
    """Report whether a value is or contains a credential: as HTTP, an address or JSON carries one.

    Source: RFC 6750, 2.1; RFC 7617, 2; RFC 7519, 3.
    """
    for _ in range(_UNQUOTED_MAX):
        if _holds_a_secret(text):
            return True
        plain = unquote_plus(text)
        if plain == text:
            break
        text = plain
    return False


def _holds_a_secret(text: str) -> bool:
    names = (*_ASSIGNED.findall(text), *_MEMBER.findall(text))
    if _USER.search(text) or _JWT.search(text) or any(map(names_a_secret, names)):
        return True
    is_bearer = _BEARER.fullmatch(text.strip()) or any(map(_TOKEN.match, _BEARER.findall(text)))
    return bool(is_bearer) or any(map(_is_basic, _BASIC.findall(text)))


def _is_basic(encoded: str) -> bool:
    with suppress(ValueError):
        return b":" in base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_")
    return False

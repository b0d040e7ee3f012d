"""OAuth clients as the bridge takes them: public ones, who prove themselves by PKCE alone."""

import re
from collections.abc import Container
from unicodedata import category
from urllib.parse import urlsplit

from mcp.shared.auth import InvalidScopeError, OAuthClientInformationFull
from pydantic import AnyUrl
from typing_extensions import override

from bridge.formats.addresses import is_host
from bridge.verbs.tokens import SCOPES

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
VISIBLE = re.compile("[!-~]+")
URI_CHARS = 2000
URIS_MAX = 20


class Client(OAuthClientInformationFull):
    """One client; what it may be redirected to is compared exactly, but for ports of loopback."""

    @override
    def validate_redirect_uri(self, redirect_uri: AnyUrl | None) -> AnyUrl:
        """Take an address that is registered; on loopback at any port (RFC 8252, 7.3)."""
        asked = str(redirect_uri)
        known = [str(uri) for uri in self.redirect_uris or ()]
        if redirect_uri is not None and any(_is_same_but_port(asked, uri) for uri in known):
            return redirect_uri
        return super().validate_redirect_uri(redirect_uri)

    @override
    def validate_scope(self, requested_scope: str | None) -> list[str] | None:
        """Take those of the scopes that there are; all of them where none is asked for."""
        if not requested_scope:
            return list(SCOPES)
        named = [scope for scope in SCOPES if scope in requested_scope.split(" ")]
        if not named:
            raise InvalidScopeError(f"the scopes are {', '.join(SCOPES)}")
        return named


def fault_of_redirects(uris: list[AnyUrl] | None, app_schemes: Container[str]) -> str | None:
    """Report what is wrong with where a client wants to be redirected; None if nothing is.

    Let are https, http on loopback, and schemes of apps: those with a dot, as a domain turned
    around has, and `app_schemes`. What a browser itself acts on, as `javascript:`, is neither.

    Source: RFC 8252, 7; RFC 9700, 4.1.
    """
    texts = [str(uri) for uri in uris or ()]
    if not texts or len(texts) > URIS_MAX:
        return f"redirect_uris must hold 1 to {URIS_MAX} addresses"
    return next(filter(None, (_fault_of_redirect(text, app_schemes) for text in texts)), None)


def readable(text: str) -> str:
    """Return a stranger's text without what is invisible or turns the text around it."""
    seen = (" " if each.isspace() else each for each in text)
    return " ".join("".join(each for each in seen if category(each)[0] != "C").split())


def _fault_of_redirect(text: str, app_schemes: Container[str]) -> str | None:
    parts = urlsplit(text)
    if len(text) > URI_CHARS or not VISIBLE.fullmatch(text) or "#" in text or "@" in parts.netloc:
        return "a redirect URI must have no fragment, no user and no excessive length"
    if parts.scheme in ("http", "https"):
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            return "a redirect URI may be http on loopback only: use https"
        return None if is_host(parts.netloc) else "a redirect URI must name a host, and a plain one"
    if "." in parts.scheme or parts.scheme in app_schemes:
        return None
    return (
        "a redirect URI must be https, http on loopback, or of an app's own scheme, which has a "
        f"dot (com.example.app) or is named in BRIDGE_OAUTH_APP_SCHEMES: {parts.scheme[:30]} is not"
    )


def _is_same_but_port(asked: str, known: str) -> bool:
    one, other = urlsplit(asked), urlsplit(known)
    if one.scheme != "http" or one.hostname not in LOOPBACK or "@" in one.netloc or "#" in asked:
        return False
    return (one.scheme, one.hostname, one.path, one.query) == (
        other.scheme,
        other.hostname,
        other.path,
        other.query,
    )

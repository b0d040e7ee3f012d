"""OAuth clients as the bridge takes them: public ones, who prove themselves by PKCE alone."""

from urllib.parse import urlsplit

from mcp.shared.auth import InvalidScopeError, OAuthClientInformationFull
from pydantic import AnyUrl
from typing_extensions import override

from bridge.verbs.entrance import SCOPES

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
NO_SCHEMES = frozenset({"javascript", "data", "vbscript", "file", "blob", "about", "ftp", "ws"})
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


def fault_of_redirects(uris: list[AnyUrl] | None) -> str | None:
    """Say what is wrong with where a client wants to be redirected; None if nothing is."""
    texts = [str(uri) for uri in uris or ()]
    if not texts or len(texts) > URIS_MAX:
        return f"redirect_uris must hold 1 to {URIS_MAX} addresses"
    for text in texts:
        parts = urlsplit(text)
        if len(text) > URI_CHARS or parts.fragment or "#" in text or "@" in parts.netloc:
            return "a redirect URI must have no fragment, no user and no excessive length"
        is_near = parts.hostname in LOOPBACK
        if parts.scheme in NO_SCHEMES or (parts.scheme == "http" and not is_near):
            return "a redirect URI must be https, http on loopback, or of an app's own scheme"
        if parts.scheme == "https" and not parts.hostname:
            return "a redirect URI must name a host"
    return None


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

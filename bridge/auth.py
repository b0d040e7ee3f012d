"""Who asks: bearer tokens of Claude clients, credentials of hooks."""

import hmac

from bridge.errors import UnauthorizedError
from bridge.models import Principal
from bridge.servers import BearerAuth, Hook, Server

LOCAL = "local"


def principal_of(server: Server, authorization: str | None) -> Principal:
    """Name the principal that an Authorization header proves; `local` where there are no tokens.

    Raises:
        UnauthorizedError: no token, or one that this server does not know.
    """
    if not server.tokens:
        return Principal(server.name, LOCAL)
    given = bearer(authorization)
    names = [token.name for token in server.tokens if _same(given, token.value.get_secret_value())]
    if not names:
        raise UnauthorizedError("a bearer token of this server is needed")
    return Principal(server.name, names[0])


def check_hook(hook: Hook, authorization: str | None) -> None:
    """Let a sender in that proves itself by any of the hook's credentials.

    Raises:
        UnauthorizedError: none, or a wrong one.
    """
    given = bearer(authorization)
    known = [auth.token.get_secret_value() for auth in hook.auth if isinstance(auth, BearerAuth)]
    matches = [_same(given, token) for token in known]  # all of them: the time tells nothing
    if True not in matches:
        raise UnauthorizedError("this hook wants its credential")


def bearer(authorization: str | None) -> str:
    """Read the token out of an Authorization header; empty when there is none."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _same(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode(), known.encode())

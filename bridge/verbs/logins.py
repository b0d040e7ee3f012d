"""Logins of the operators' pages: by a token, as a role, sealed and kept by the browser."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from enum import StrEnum

from bridge.auth.authentication import is_same
from bridge.auth.seals import seal, unseal
from bridge.configuration.settings import Settings
from bridge.errors import UnauthorizedError
from bridge.verbs.oauth_grants import Grants

LOGIN_S = 12 * 3600
WRONG = "that is no token of this bridge's operators or viewers"


class Role(StrEnum):
    """What somebody who has logged in may do: all, or look."""

    OPERATOR = "operator"
    VIEWER = "viewer"


@dataclass(frozen=True)
class Login:
    """Somebody who has logged in; `csrf` is what proves that a form is one of theirs."""

    role: Role
    csrf: str
    sees_payloads: bool

    @property
    def acts(self) -> bool:
        """Report whether they may change anything."""
        return self.role is Role.OPERATOR


class Logins:
    """Decides who may log in, and whether a login still counts.

    A login is no record: the browser keeps it, sealed with a key of the store's and the token that
    it was made by. So it counts in every process, and no more once that token is another.
    """

    def __init__(self, grants: Grants, settings: Settings) -> None:
        self._grants = grants
        named = {Role.OPERATOR: settings.operator_token, Role.VIEWER: settings.viewer_token}
        self._tokens = {role: token.get_secret_value() for role, token in named.items() if token}
        self._viewers_see_payloads = settings.viewer_payloads

    @property
    def are_offered(self) -> bool:
        """Report whether there is any token to log in by."""
        return bool(self._tokens)

    async def log_in(self, token: str) -> tuple[Login, str]:
        """Return the login that a token stands for, and the sealed text to know it by.

        Raises:
            UnauthorizedError: it stands for none.
        """
        for role, known in self._tokens.items():
            if is_same(token, known):
                key, nonce = await self._key(role), secrets.token_urlsafe(16)
                return self._login(role, key, nonce), seal(nonce, key, role)
        raise UnauthorizedError(WRONG, is_guess=bool(token))

    async def find(self, sealed: str) -> Login | None:
        """Return the login that a sealed text stands for; None where it counts no more."""
        if not sealed:
            return None
        for role in self._tokens:
            key = await self._key(role)
            nonce = unseal(sealed, key, role, LOGIN_S)
            if isinstance(nonce, str):
                return self._login(role, key, nonce)
        return None

    async def _key(self, role: Role) -> bytes:
        return _digest(await self._grants.sealing_key(), self._tokens[role])

    def _login(self, role: Role, key: bytes, nonce: str) -> Login:
        sees_payloads = role is Role.OPERATOR or self._viewers_see_payloads
        return Login(role, _digest(key, f"csrf {nonce}").hex(), sees_payloads)


def _digest(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), hashlib.sha256)

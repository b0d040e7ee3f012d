"""Logins of the operators' pages: by a token or an issuer, as a role, kept by the browser."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bridge.auth.authentication import is_same
from bridge.auth.seals import seal, unseal
from bridge.configuration.load import is_reachable
from bridge.configuration.settings import Settings
from bridge.errors import ForbiddenError, UnauthorizedError
from bridge.models import Json
from bridge.verbs.oauth_grants import Grants

LOGIN_S = 12 * 3600
OPENID_LOGIN_S = 4 * 3600
"""Shorter, for who leaves a group at the issuer is still let in so long."""
OPENID, ATTEMPT = "openid", "openid attempt"
ATTEMPT_S = 600
HERE = "this machine"
NAME_CHARS_MAX = 100
NO_ROLE = (
    "you are neither an operator nor a viewer here: an operator may name a claim of yours in "
    "BRIDGE_CONSOLE_OPERATORS or BRIDGE_CONSOLE_VIEWERS"
)
WRONG = "that is no token of this bridge's operators or viewers"


class Role(StrEnum):
    """What somebody who has logged in may do: all, or look."""

    OPERATOR = "operator"
    VIEWER = "viewer"


@dataclass(frozen=True)
class Login:
    """Somebody who has logged in; `csrf` is what proves that a form is one of theirs.

    `name` is empty for one who came by a token. It never `ends` of one who needed none.
    """

    role: Role
    name: str
    csrf: str
    sees_payloads: bool
    ends: bool = True

    @property
    def who(self) -> str:
        """Return how the audit and timelines name them."""
        return f"{self.role} {self.name}" if self.name else self.role

    @property
    def acts(self) -> bool:
        """Report whether they may change anything."""
        return self.role is Role.OPERATOR


class Logins:
    """Decides who may log in, and whether a login still counts.

    A login is no record: the browser keeps it, sealed with a key of the store's and what it was
    made by: a token, or this bridge's part at an issuer. So it counts in every process, and no more
    once that is another. Of who came from an issuer it says what claim made them what they are.
    That one was ended before its time is on record until that is over.
    """

    def __init__(self, grants: Grants, settings: Settings, *, is_open: bool = False) -> None:
        self._grants = grants
        named = {Role.OPERATOR: settings.operator_token, Role.VIEWER: settings.viewer_token}
        self._tokens = {role: token.get_secret_value() for role, token in named.items() if token}
        self._claims = {
            Role.OPERATOR: settings.console_operators,
            Role.VIEWER: settings.console_viewers,
        }
        self.issuer = settings.console_issuer
        self._client = f"{settings.console_issuer} {settings.console_client_id}"
        self._viewers_see_payloads = settings.viewer_payloads
        self.is_open = is_open and not is_reachable(settings)
        """Whether who works on this machine needs no login."""

    @property
    def takes_tokens(self) -> bool:
        """Report whether there is any token to log in by."""
        return bool(self._tokens)

    @property
    def are_offered(self) -> bool:
        """Report whether there is any way to log in."""
        return self.takes_tokens or self.issuer is not None

    async def log_in(self, token: str) -> tuple[Login, str]:
        """Return the login that a token stands for, and the sealed text to know it by.

        Raises:
            UnauthorizedError: it stands for none.
        """
        for role, known in self._tokens.items():
            if is_same(token, known):
                key, nonce = await self._key(known), secrets.token_urlsafe(16)
                return self._login(role, key, nonce), seal(nonce, key, role)
        raise UnauthorizedError(WRONG, is_guess=bool(token))

    async def log_in_as(self, claims: Mapping[str, Json]) -> tuple[Login, str]:
        """Return the login of somebody whom the issuer vouches for, and its sealed text.

        Raises:
            ForbiddenError: none of these claims makes them an operator or a viewer.
        """
        for role, wanted in self._claims.items():
            for claim in wanted:
                if _has(claims, claim):
                    key, nonce = await self._key(self._client), secrets.token_urlsafe(16)
                    told: Json = [nonce, role, claim, name_of(claims)]
                    return self._login(role, key, nonce, name_of(claims)), seal(told, key, OPENID)
        raise ForbiddenError(NO_ROLE, "")

    async def here(self) -> Login:
        """Return the login of whoever works on this machine, where they need none."""
        key = await self._key(HERE)
        return Login(Role.OPERATOR, "", _digest(key, "csrf").hex(), sees_payloads=True, ends=False)

    async def find(self, sealed: str) -> Login | None:
        """Return the login that a sealed text stands for; None where it counts no more."""
        secret = await self._grants.login_key(_digest_of(sealed)) if sealed else None
        if secret is None:
            return None
        for role, token in self._tokens.items():
            key = _digest(secret, token)
            nonce = unseal(sealed, key, role, LOGIN_S)
            if isinstance(nonce, str):
                return self._login(role, key, nonce)
        if self.issuer:
            key = _digest(secret, self._client)
            match unseal(sealed, key, OPENID, OPENID_LOGIN_S):
                case [str(nonce), str(named), str(claim), str(name)]:
                    role = Role(named)
                    is_named = claim in self._claims[role]
                    return self._login(role, key, nonce, name) if is_named else None
        return None

    async def log_out(self, sealed: str) -> None:
        """End a login, wherever a copy of its sealed text may be."""
        await self._grants.end_login(_digest_of(sealed), LOGIN_S)

    async def seal_attempt(self, told: Json) -> str:
        """Return a text that says what a login at the issuer was begun with."""
        return seal(told, await self._key(self._client), ATTEMPT)

    async def unseal_attempt(self, sealed: str) -> Json:
        """Return what such a text says; None where it is none, or too old."""
        return unseal(sealed, await self._key(self._client), ATTEMPT, ATTEMPT_S)

    async def _key(self, made_by: str) -> bytes:
        return _digest(await self._grants.sealing_key(), made_by)

    def _login(self, role: Role, key: bytes, nonce: str, name: str = "") -> Login:
        sees_payloads = role is Role.OPERATOR or self._viewers_see_payloads
        return Login(role, name, _digest(key, f"csrf {nonce}").hex(), sees_payloads)


def name_of(claims: Mapping[str, Json]) -> str:
    """Return what people know somebody by, or else how their issuer does."""
    is_theirs = claims.get("email_verified") is True
    for claim in (*(("email",) if is_theirs else ()), "preferred_username", "sub"):
        name = claims.get(claim)
        if isinstance(name, str) and name and name.isprintable():
            return name[:NAME_CHARS_MAX]
    return ""


def _has(claims: Mapping[str, Json], wanted: str) -> bool:
    """Report whether claims hold a value; a name with dots may lead into what is nested.

    An address that the issuer has not seen to be theirs proves nothing.
    """
    name, _, value = wanted.partition("=")
    if name == "email" and claims.get("email_verified") is not True:
        return False
    found: Json = claims.get(name)
    if found is None and "." in name:
        found = dict(claims)
        for part in name.split("."):
            found = found.get(part) if isinstance(found, dict) else None
    return value in found if isinstance(found, list) else value == found


def _digest_of(sealed: str) -> str:
    """Return what stands for a login: a digest of what is signed; a signature has more forms."""
    return hashlib.sha256(sealed.rpartition(".")[0].encode()).hexdigest()


def _digest(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), hashlib.sha256)

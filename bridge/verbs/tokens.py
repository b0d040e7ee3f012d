"""Tokens: made, revoked and listed, and who is let in by one, of whichever kind."""

import re
import secrets
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from urllib.parse import quote

from bridge.auth.authentication import (
    EVERYTHING,
    LOCAL,
    Scope,
    TokenAccess,
    bearer,
    digest_of,
    owner_of,
)
from bridge.auth.issuer import Claims, Issuer
from bridge.configuration.load import is_reachable, unguarded
from bridge.configuration.operators_server import OPERATORS, VIEWER
from bridge.configuration.servers import Server
from bridge.configuration.settings import Settings
from bridge.errors import (
    ConfigurationError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    UnauthorizedError,
)
from bridge.models import Principal
from bridge.store.grants import GrantStore
from bridge.store.signals import Signal, Signals
from bridge.store.tokens import REVOKED, StoredToken, TokenStore
from bridge.verbs.oauth_grants import WIRES, Grants, resources_of

PREFIX = "nb_"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,127}")
NAME_RULE = "must be letters, digits and _.@-, at most 128"
LOOKING = Scope(acts=False)
LIFETIME_MIN_S = 1.0
LIFETIME_RULE = "must be a second at least"
NEEDED = "send the header `Authorization: Bearer TOKEN`, with a token of this server"
WRONG = f"that is no token of this server, or no more: {NEEDED}"


class Tokens:
    """Decides who is let in, and gives out and takes back what lets them in."""

    def __init__(self, store: TokenStore, settings: Settings) -> None:
        self._store = store
        self._settings = settings

    async def find(self, server: Server, token: str) -> TokenAccess | None:
        """Find whom a token lets in: one of the server's file, or one that was made."""
        owner = owner_of(server, token)
        if owner is not None:
            return TokenAccess(owner, _scope_in_file(owner))
        stored = await self._store.find(digest_of(token), server.name) if token else None
        return TokenAccess(stored.principal, stored.scope, stored.digest) if stored else None

    async def rights(self, server: Server, digest: str) -> Scope | None:
        """Report what a token is good for, by its digest; None for one that is none any more."""
        for each in server.tokens:
            if digest_of(each.value.get_secret_value()) == digest:
                return _scope_in_file(Principal(server.name, each.name))
        stored = await self._store.find(digest, server.name)
        return stored.scope if stored else None

    async def is_open(self, server: Server) -> bool:
        """Report whether a server lets everyone in: on loopback, where it has no tokens at all."""
        if server.tokens or self._settings.oauth_issuer or is_reachable(self._settings):
            return False
        return not await self._store.is_guarded(server.name)

    def local(self, server: Server) -> TokenAccess:
        """Return whoever comes in where everyone may."""
        return TokenAccess(Principal(server.name, LOCAL))

    async def demand_guards(self, servers: Mapping[str, Server]) -> None:
        """Refuse to serve without any token what more than this machine can reach.

        Raises:
            ConfigurationError: naming each such server.
        """
        named = unguarded(self._settings, servers.values())
        faults = [fault for name, fault in named if not await self._store.is_guarded(name)]
        if faults:
            raise ConfigurationError(tuple(faults))

    async def add(
        self, server: Server, name: str, scope: Scope, ttl_s: float | None
    ) -> tuple[str, StoredToken]:
        """Make a token; it is told now and never again.

        Raises:
            NotFoundError: the scope names a hook or a workflow that the server does not have.
            ConflictError: the principal of this name has other rights.
        """
        _demand_known("hook", scope.hooks, server.hooks)
        _demand_known("workflow", scope.workflows, server.workflows)
        token = PREFIX + secrets.token_urlsafe(24)
        is_in_file = any(each.name == name for each in server.tokens)
        if (is_in_file and scope != EVERYTHING) or not await self._store.add(
            digest_of(token), Principal(server.name, name), scope, ttl_s
        ):
            raise ConflictError(
                f"{server.name} has a token {name} with other rights, and tokens of one name are "
                "one principal: give it the same rights, or take another name"
            )
        kept = await self._store.find(digest_of(token), server.name)
        assert kept is not None, "it was put on record"
        return token, kept

    async def list(self, server: str | None = None) -> list[StoredToken]:
        """List the tokens on record, oldest first."""
        return [
            token for token in await self._store.list() if server in (None, token.principal.server)
        ]

    async def revoke(self, token_id: str) -> StoredToken:
        """Make a token good for nothing, in every process, at once.

        Raises:
            NotFoundError: there is no such token.
        """
        for token in await self._store.list():
            if token.token_id == token_id:
                await self._store.revoke(token.digest)
                return token
        raise NotFoundError("no such token")


def _scope_in_file(owner: Principal) -> Scope:
    """Return what the tokens that a server has of itself are good for: all but those that look."""
    return LOOKING if owner == Principal(OPERATORS, VIEWER) else EVERYTHING


def _demand_known(kind: str, named: frozenset[str] | None, there: Mapping[str, object]) -> None:
    unknown = sorted((named or frozenset()) - set(there))
    if unknown:
        raise NotFoundError(
            f"no {kind} {', '.join(unknown)} here; there are: {', '.join(there) or 'none'}"
        )


READ, ACT = "read", "act"
SCOPES = (READ, ACT)
"""What OAuth clients may ask for."""

RESOURCE = "/.well-known/oauth-protected-resource"

ISSUED = "~"
"""What comes before an issuer's subject: no token's name begins so."""

OPEN = "open"
"""What stands where a token's digest stands else, for whoever needed none."""

GRANT = "grant:"
"""What comes before a grant's id where a token's digest stands else."""


class Authenticator:
    """Decides who is let in, and whether they still would be."""

    def __init__(
        self,
        token_store: TokenStore,
        grant_store: GrantStore,
        servers: Mapping[str, Server],
        settings: Settings,
        signals: Signals,
    ) -> None:
        self._signals = signals
        self._settings = settings
        self._public_url = settings.public_url or ""
        self.tokens = Tokens(token_store, settings)
        self.grants = Grants(grant_store, self.tokens, servers, settings)
        self._issuer = Issuer(settings.oauth_issuer) if settings.oauth_issuer else None

    async def admit(
        self, server: Server, authorization: str | None, wire: str = WIRES[0]
    ) -> TokenAccess:
        """Find whom an Authorization header proves; `local` on loopback where there are no tokens.

        `wire` is what the address begins with: refused clients are told where to read on.

        Raises:
            UnauthorizedError: no token, or none that is for this server.
            ForbiddenError: the issuer's token has no scope that counts here.
        """
        given = bearer(authorization)
        found = await self.tokens.find(server, given)
        if found is None and server.name != OPERATORS:
            found = await self._find_elsewhere(server, given, wire)
        if found is None:
            why, said = ("invalid_token", WRONG) if given else ("", NEEDED)
            challenge = self._challenge(server, wire, why)
            raise UnauthorizedError(said, challenge, is_guess=bool(given))
        return found

    async def _find_elsewhere(self, server: Server, given: str, wire: str) -> TokenAccess | None:
        """Find whom OAuth lets in, and who needs no token; never to operators, whose tokens do."""
        found = await self._granted(server, given) if self._settings.oauth else None
        if found is None and given.count(".") == 2 and self._issuer is not None:
            claims = await self._issuer.check(given, resources_of(self._public_url, server.name))
            if claims and not claims.scopes & set(SCOPES):
                why = f"the token's scope must name one of {', '.join(SCOPES)}"
                raise ForbiddenError(why, self._challenge(server, wire, "insufficient_scope"))
            found = _issued(server, claims) if claims else None
        if found is None and await self.tokens.is_open(server):
            found = self.tokens.local(server)
        return found

    def revocations(self) -> AbstractContextManager[Signal]:
        """Hear that some token may be good for nothing any more while the block lasts."""
        return self._signals.subscribed(REVOKED)

    def look_again(self) -> None:
        """Have those who hear of revocations look: tokens of files may be others now."""
        self._signals.notify_here(REVOKED)

    def mark(self, server: Server, principal: Principal, authorization: str | None) -> str:
        """Return what `still_admits` knows an admitted client by that has no digest."""
        given = bearer(authorization)
        if owner_of(server, given):
            return sys.intern(digest_of(given))  # thousands of streams may keep it
        return ISSUED if principal.name.startswith(ISSUED) else OPEN

    async def still_admits(self, mark: str, server: Server | None) -> bool:
        """Report whether what let someone in, by its digest or mark, would do so still."""
        if server is None:
            return False
        if mark in (ISSUED, OPEN):
            return mark == ISSUED or not server.tokens
        if mark.startswith(GRANT):
            return await self.grants.lives(mark.removeprefix(GRANT))
        return await self.tokens.rights(server, mark) is not None

    async def rights(self, server: Server, principal: Principal, digest: str) -> Scope | None:
        """Return what an admitted client may see now; None for one who would not be admitted.

        `digest` is that of the token, empty for one that cannot be revoked.
        """
        if digest.startswith(GRANT):
            return await self.grants.rights(digest.removeprefix(GRANT))
        if digest:
            return await self.tokens.rights(server, digest)
        is_named = any(token.name == principal.name for token in server.tokens)
        is_issued = principal.name.startswith(ISSUED) and self._issuer is not None
        return _scope_in_file(principal) if is_named or is_issued else None

    async def _granted(self, server: Server, token: str) -> TokenAccess | None:
        held = await self.grants.held(token)
        if held is None or held.kind != "access" or held.granted.asked.server != server.name:
            return None
        rights = await self.tokens.rights(server, held.granted.proven)
        if rights is None:
            return None
        narrowed = replace(rights, acts=rights.acts and ACT in held.scopes)
        return TokenAccess(
            Principal(server.name, held.granted.principal), narrowed, GRANT + held.grant
        )

    def _challenge(self, server: Server, wire: str, error: str) -> str:
        """Format what a refused client is told: where to read who issues tokens.

        Source: RFC 9728, 5.1; RFC 6750, 3.
        """
        has_oauth = self._settings.oauth or self._issuer is not None
        if not has_oauth or server.name == OPERATORS:
            return "Bearer"
        told = {
            "error": error,
            "resource_metadata": f"{self._public_url}{RESOURCE}/{wire}/{server.name}",
            "scope": " ".join(SCOPES),
        }
        return "Bearer " + ", ".join(f'{name}="{text}"' for name, text in told.items() if text)


def _issued(server: Server, claims: Claims) -> TokenAccess:
    subject = Principal(server.name, ISSUED + quote(claims.subject, safe=""))
    return TokenAccess(subject, Scope(acts=ACT in claims.scopes))

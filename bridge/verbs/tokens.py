"""The verbs of tokens: make, revoke, list, and let in whoever has one."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from bridge.auth.authentication import EVERYTHING, LOCAL, Scope, owner_of
from bridge.configuration.load import is_reachable, unguarded
from bridge.configuration.servers import Server
from bridge.configuration.settings import Settings
from bridge.errors import (
    ConfigurationError,
    ConflictError,
    NotFoundError,
)
from bridge.models import Principal
from bridge.store.tokens import StoredToken, TokenStore

PREFIX = "nb_"
NEEDED = "send the header `Authorization: Bearer TOKEN`, with a token of this server"
WRONG = f"that is no token of this server, or no more: {NEEDED}"


@dataclass(frozen=True)
class TokenAccess:
    """Who was let in, and what for; `digest` is that of the token, where it can be revoked."""

    principal: Principal
    scope: Scope = EVERYTHING
    digest: str = ""


def digest_of(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


class Tokens:
    """Decides who is let in, and gives out and takes back what lets them in."""

    def __init__(self, store: TokenStore, settings: Settings) -> None:
        self._store = store
        self._settings = settings

    async def find(self, server: Server, token: str) -> TokenAccess | None:
        """Find whom a token lets in: one of the server's file, or one that was made."""
        owner = owner_of(server, token)
        if owner is not None:
            return TokenAccess(owner)
        stored = await self._store.find(digest_of(token), server.name) if token else None
        return TokenAccess(stored.principal, stored.scope, stored.digest) if stored else None

    async def rights(self, server: Server, digest: str) -> Scope | None:
        """Report what a token is good for, by its digest; None for one that is none any more."""
        if any(digest_of(each.value.get_secret_value()) == digest for each in server.tokens):
            return EVERYTHING
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


def _demand_known(kind: str, named: frozenset[str] | None, there: Mapping[str, object]) -> None:
    unknown = sorted((named or frozenset()) - set(there))
    if unknown:
        raise NotFoundError(
            f"no {kind} {', '.join(unknown)} here; there are: {', '.join(there) or 'none'}"
        )

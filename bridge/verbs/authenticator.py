"""The verb of whoever comes in: by a token, by what a person has consented to, by an issuer."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from urllib.parse import quote

from bridge.auth.authentication import EVERYTHING, Scope, bearer
from bridge.auth.issuer import Claims, Issuer
from bridge.configuration.servers import Server
from bridge.configuration.settings import Settings
from bridge.errors import ForbiddenError, UnauthorizedError
from bridge.models import Principal
from bridge.store.grants import GrantStore
from bridge.store.signals import Signal, Signals
from bridge.store.tokens import REVOKED, TokenStore
from bridge.verbs.oauth_grants import WIRES, Grants, resources_of
from bridge.verbs.tokens import NEEDED, WRONG, TokenAccess, Tokens

READ, ACT = "read", "act"
SCOPES = (READ, ACT)
"""What OAuth clients may ask for."""

RESOURCE = "/.well-known/oauth-protected-resource"

ISSUED = "~"
"""What comes before an issuer's subject: no token's name begins so."""

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
        if found is None and self._settings.oauth:
            found = await self._granted(server, given)
        if found is None and given.count(".") == 2 and self._issuer is not None:
            claims = await self._issuer.check(given, resources_of(self._public_url, server.name))
            if claims and not claims.scopes & set(SCOPES):
                why = f"the token's scope must name one of {', '.join(SCOPES)}"
                raise ForbiddenError(why, self._challenge(server, wire, "insufficient_scope"))
            found = _issued(server, claims) if claims else None
        if found is None and await self.tokens.is_open(server):
            found = self.tokens.local(server)
        if found is None:
            why, said = ("invalid_token", WRONG) if given else ("", NEEDED)
            challenge = self._challenge(server, wire, why)
            raise UnauthorizedError(said, challenge, is_guess=bool(given))
        return found

    def revocations(self) -> AbstractContextManager[Signal]:
        """Hear that some token may be good for nothing any more while the block lasts."""
        return self._signals.subscribed(REVOKED)

    async def still_admits(self, digest: str, server: Server) -> bool:
        """Report whether what let someone in, by its digest, would do so still."""
        if digest.startswith(GRANT):
            return await self.grants.lives(digest.removeprefix(GRANT))
        return await self.tokens.rights(server, digest) is not None

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
        return EVERYTHING if is_named or is_issued else None

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
        if not self._settings.oauth and self._issuer is None:
            return "Bearer"
        told = {
            "error": error,
            "resource_metadata": f"{self._public_url}{RESOURCE}/{wire}/{server.name}",
            "scope": " ".join(SCOPES),
        }
        return "Bearer " + ", ".join(f'{name}="{text}"' for name, text in told.items() if text)


def _issued(server: Server, claims: Claims) -> TokenAccess:
    subject = Principal(server.name, ISSUED + quote(claims.subject[:200], safe=""))
    return TokenAccess(subject, Scope(acts=ACT in claims.scopes))

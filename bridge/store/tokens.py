"""Tokens on record: their digests, never themselves, and what they are good for.

A digest is SHA-256. A slow hash is for what people make up: a token is 192 random bits, which
nobody can guess at any speed, and it must be checked with every request.
"""

from dataclasses import dataclass

from bridge.auth.authentication import Scope
from bridge.models import Principal
from bridge.store.steps import Steps, step

REVOKED = "tokens"
"""What rings when a token has been revoked."""


@step("tokens.add")
async def _add(
    steps: Steps, *, digest: str, server: str, name: str, scope: str, ttl_ms: int | None
) -> bool:
    """Put a token on record."""


@step("tokens.find")
async def _find(steps: Steps, *, digest: str, server: str) -> str | None:
    """Read a token of a server that has not expired."""


@step("tokens.is_guarded")
async def _is_guarded(steps: Steps, *, server: str) -> bool:
    """Report whether a server has a token on record."""


@step("tokens.list")
async def _list(steps: Steps) -> dict[str, str]:
    """Read every token by its digest."""


@step("tokens.revoke")
async def _revoke(steps: Steps, *, digest: str) -> None:
    """Forget a token."""


@dataclass(frozen=True)
class StoredToken:
    """One token on record; times are on Redis's clock, `expires_at_ms` None: until revoked."""

    digest: str
    principal: Principal
    scope: Scope
    created_at_ms: int
    expires_at_ms: int | None

    @property
    def token_id(self) -> str:
        """Return the name that people call it by, which proves nothing."""
        return f"tok_{self.digest[:16]}"


class TokenStore:
    """Speaks Redis for tokens."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def add(
        self, digest: str, principal: Principal, scope: Scope, ttl_s: float | None
    ) -> bool:
        """Put a token on record; False where others of its principal have another scope."""
        return await _add(
            self._steps,
            digest=digest,
            server=principal.server,
            name=principal.name,
            scope=scope.spell(),
            ttl_ms=None if ttl_s is None else round(ttl_s * 1000),
        )

    async def find(self, digest: str, server: str) -> StoredToken | None:
        """Read a token of a server that has not expired."""
        kept = await _find(self._steps, digest=digest, server=server)
        return _token(digest, kept) if kept else None

    async def is_guarded(self, server: str) -> bool:
        """Report whether a server has a token on record."""
        return await _is_guarded(self._steps, server=server)

    async def list(self) -> list[StoredToken]:
        """Read every token, oldest first."""
        kept_by_digest = await _list(self._steps)
        tokens = [_token(digest, kept) for digest, kept in kept_by_digest.items()]
        return sorted(tokens, key=lambda token: (token.created_at_ms, token.digest))

    async def revoke(self, digest: str) -> None:
        """Forget a token, and tell every process."""
        await _revoke(self._steps, digest=digest)


def _token(digest: str, kept: str) -> StoredToken:
    created_at, expires_at, server, name, scope = kept.split("\n", 4)
    return StoredToken(
        digest,
        Principal(server, name),
        Scope.parse(scope),
        int(created_at),
        int(expires_at) or None,
    )

"""Tokens on record: their digests, never themselves, and what they are good for.

A digest is SHA-256. A slow hash is for what people make up: a token is 192 random bits, which
nobody can guess at any speed, and it must be checked with every request.
"""

from dataclasses import dataclass

from bridge.auth.authentication import Scope
from bridge.models import Principal
from bridge.store.scripts import Script
from bridge.store.steps import Steps

REVOKED = "tokens"
"""What rings when a token has been revoked."""

_READING = """
local function read(kept)
  local created_at, expires_at, owner, name, scope = kept:match('^(%d+)\\n(%d+)\\n([^\\n]*)\\n([^\\n]*)\\n(.*)$')
  return {created_at = created_at, expires_at = tonumber(expires_at), server = owner, name = name, scope = scope}
end
local function is_over(token) return token.expires_at > 0 and token.expires_at <= now end
local function prune()
  for _, digest in ipairs(redis.call('HKEYS', tokens_key())) do
    if is_over(read(redis.call('HGET', tokens_key(), digest))) then redis.call('HDEL', tokens_key(), digest) end
  end
end
"""

ADD = Script(
    "digest server name scope ttl_ms",
    _READING
    + """
prune()
if redis.call('HEXISTS', tokens_key(), digest) == 1 then return {'added'} end
for _, kept in ipairs(redis.call('HVALS', tokens_key())) do
  local other = read(kept)
  if other.server == server and other.name == name and other.scope ~= scope then return {'differs'} end
end
local expires_at = ttl_ms == '' and 0 or now + ttl_ms
local told = {string.format('%.0f', now), string.format('%.0f', expires_at), server, name, scope}
redis.call('HSET', tokens_key(), digest, table.concat(told, '\\n'))
return {'added'}
""",
)

FIND = Script(
    "digest server",
    _READING
    + """
local kept = redis.call('HGET', tokens_key(), digest)
if not kept then return {} end
local token = read(kept)
if token.server ~= server or is_over(token) then return {} end
return {kept}
""",
)

IS_GUARDED = Script(
    "server",
    _READING
    + """
for _, kept in ipairs(redis.call('HVALS', tokens_key())) do
  local token = read(kept)
  if token.server == server and not is_over(token) then return {'1'} end
end
return {}
""",
)

LIST = Script("", _READING + "prune() return redis.call('HGETALL', tokens_key())")

REVOKE = Script("digest", f"redis.call('HDEL', tokens_key(), digest) ring('{REVOKED}') return {{}}")


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
        (outcome,) = await self._steps.run(
            ADD,
            digest=digest,
            server=principal.server,
            name=principal.name,
            scope=scope.spell(),
            ttl_ms="" if ttl_s is None else round(ttl_s * 1000),
        )
        return bool(outcome == b"added")

    async def find(self, digest: str, server: str) -> StoredToken | None:
        """Read a token of a server that has not expired."""
        found = await self._steps.run(FIND, digest=digest, server=server)
        return _token(digest, found[0]) if found else None

    async def is_guarded(self, server: str) -> bool:
        """Report whether a server has a token on record."""
        return bool(await self._steps.run(IS_GUARDED, server=server))

    async def list(self) -> list[StoredToken]:
        """Read every token, oldest first."""
        flat = await self._steps.run(LIST)
        pairs = zip(flat[::2], flat[1::2], strict=True)
        tokens = [_token(digest.decode(), kept) for digest, kept in pairs]
        return sorted(tokens, key=lambda token: (token.created_at_ms, token.digest))

    async def revoke(self, digest: str) -> None:
        """Forget a token, and tell every process."""
        await self._steps.run(REVOKE, digest=digest)


def _token(digest: str, kept: bytes) -> StoredToken:
    created_at, expires_at, server, name, scope = kept.decode().split("\n", 4)
    return StoredToken(
        digest,
        Principal(server, name),
        Scope.parse(scope),
        int(created_at),
        int(expires_at) or None,
    )

"""OAuth on record: clients, questions for consent, codes, grants and tokens, the last by digest."""

import json
from dataclasses import asdict, dataclass

from bridge.models import Json
from bridge.store.scripts import Script, Steps
from bridge.store.tokens import REVOKED

NEW_CLIENT_TTL_S = 86400
CLIENT_TTL_S = 90 * 86400
CONSENT_TTL_S = 600
CODE_TTL_S = 60
ACCESS_TTL_S = 3600
GRANT_TTL_S = 30 * 86400
GRACE_MS = 30_000
"""How long the refresh token before the newest one still counts: its answer may have been lost."""

_END = f"""
local function finish(grant)
  redis.call('DEL', oauth_grant_key(grant))
  ring('{REVOKED}')
end
local function hand_out(grant, access, scopes, refresh)
  redis.call('SET', oauth_token_key(access), 'access\\n' .. grant .. '\\n' .. scopes, 'EX', {ACCESS_TTL_S})
  redis.call('SET', oauth_token_key(refresh), 'refresh\\n' .. grant .. '\\n' .. scopes, 'EX', {GRANT_TTL_S})
  redis.call('EXPIRE', oauth_grant_key(grant), {GRANT_TTL_S})
end
"""

KEEP_CLIENT = Script(
    "digest client",
    f"""
local left = redis.call('TTL', oauth_client_key(digest))
redis.call('SET', oauth_client_key(digest), client, 'EX', math.max(left, {NEW_CLIENT_TTL_S}))
return {{}}
""",
)
USED_CLIENT = Script(
    "digest", f"redis.call('EXPIRE', oauth_client_key(digest), {CLIENT_TTL_S}) return {{}}"
)
READ_CLIENT = Script("digest", "return {redis.call('GET', oauth_client_key(digest))}")
ASK = Script(
    "digest asked",
    f"redis.call('SET', oauth_consent_key(digest), asked, 'EX', {CONSENT_TTL_S}) return {{}}",
)
ASKED = Script("digest", "return {redis.call('GET', oauth_consent_key(digest))}")

DECIDE = Script(
    "consent code kept",
    f"""
if redis.call('EXISTS', oauth_code_key(code)) == 1 then return {{'decided'}} end
if redis.call('DEL', oauth_consent_key(consent)) == 0 then return {{}} end
redis.call('HSET', oauth_code_key(code), 'kept', kept)
redis.call('EXPIRE', oauth_code_key(code), {CODE_TTL_S})
return {{'decided'}}
""",
)

READ_CODE = Script("code", "return {redis.call('HGET', oauth_code_key(code), 'kept')}")

# Who has used a code is known for as long as an access token lasts: a second use gives the theft
# away, and ends what came of the first.
EXCHANGE = Script(
    "code grant access refresh scopes",
    _END
    + f"""
local used = redis.call('HGET', oauth_code_key(code), 'grant')
if used == grant then return {{'exchanged'}} end
if used then finish(used) return {{}} end
local kept = redis.call('HGET', oauth_code_key(code), 'kept')
if not kept then return {{}} end
redis.call('HSET', oauth_code_key(code), 'grant', grant)
redis.call('EXPIRE', oauth_code_key(code), {ACCESS_TTL_S})
redis.call('HSET', oauth_grant_key(grant), 'kept', kept, 'refresh', refresh, 'previous', '', 'rotated_at', now)
hand_out(grant, access, scopes, refresh)
return {{'exchanged'}}
""",
)

USED = Script(
    "code",
    _END
    + """
local used = redis.call('HGET', oauth_code_key(code), 'grant')
if used then finish(used) end
return {used or ''}
""",
)

READ_TOKEN = Script(
    "token",
    """
local held = redis.call('GET', oauth_token_key(token))
local kind, grant, scopes = (held or ''):match('^(%a+)\\n([^\\n]+)\\n(.*)$')
local kept = grant and redis.call('HGET', oauth_grant_key(grant), 'kept')
if not kept then return {} end
return {kind, grant, scopes, kept}
""",
)

READ_GRANT = Script("grant", "return {redis.call('HGET', oauth_grant_key(grant), 'kept')}")

ROTATE = Script(
    "grant old access refresh scopes",
    _END
    + f"""
local newest, previous, rotated_at = unpack(redis.call('HMGET', oauth_grant_key(grant), 'refresh', 'previous', 'rotated_at'))
if not newest then return {{}} end
if newest == refresh then return {{'rotated'}} end
if newest ~= old and not (previous == old and now - rotated_at < {GRACE_MS}) then
  finish(grant)
  return {{}}
end
redis.call('HSET', oauth_grant_key(grant), 'refresh', refresh, 'previous', newest, 'rotated_at', now)
hand_out(grant, access, scopes, refresh)
return {{'rotated'}}
""",
)

END = Script("grant", _END + "finish(grant) return {}")


@dataclass(frozen=True)
class Asked:
    """What a client asks a person to consent to; `resource` is the address of the MCP server."""

    client_id: str
    client_name: str
    redirect_uri: str
    is_redirect_given: bool
    state: str | None
    code_challenge: str
    scopes: tuple[str, ...]
    resource: str
    server: str


@dataclass(frozen=True)
class Granted:
    """What a person has consented to, as whom; `proven` digests the token that proved them."""

    asked: Asked
    principal: str
    proven: str

    def spell(self) -> str:
        """Write it down."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class HeldToken:
    """A token of a grant: `access` or `refresh`, and the scopes it was given out with."""

    kind: str
    grant: str
    scopes: tuple[str, ...]
    granted: Granted


class GrantStore:
    """Speaks Redis for OAuth."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def keep_client(self, digest: str, client: Json) -> None:
        """Put what a client says of itself on record; one in use stays there as long as it would."""
        await self._steps.run(KEEP_CLIENT, digest=digest, client=json.dumps(client))

    async def used_client(self, digest: str) -> None:
        """Keep a client that was consented to for as long as it comes back."""
        await self._steps.run(USED_CLIENT, digest=digest)

    async def client(self, digest: str) -> Json:
        """Read what a client said of itself; None for an unknown one."""
        (kept,) = await self._steps.run(READ_CLIENT, digest=digest)
        found: Json = json.loads(kept) if kept else None
        return found

    async def ask(self, digest: str, asked: Asked) -> None:
        """Put a question for consent on record."""
        await self._steps.run(ASK, digest=digest, asked=json.dumps(asdict(asked)))

    async def asked(self, digest: str) -> Asked | None:
        """Read an open question."""
        (kept,) = await self._steps.run(ASKED, digest=digest)
        return _asked(json.loads(kept)) if kept else None

    async def decide(self, consent: str, code: str, granted: Granted) -> bool:
        """Answer a question with a code; False when it was answered before, or is too old."""
        return bool(await self._steps.run(DECIDE, consent=consent, code=code, kept=granted.spell()))

    async def code(self, code: str) -> tuple[Granted | None, str]:
        """Read what a code stands for, and the grant that it was used for, which ends with this."""
        (used_for,) = await self._steps.run(USED, code=code)
        (kept,) = await self._steps.run(READ_CODE, code=code)
        return (_granted(kept) if kept else None), used_for.decode()

    async def exchange(self, code: str, grant: str, access: str, refresh: str, scopes: str) -> bool:
        """Turn a code into a grant and its first tokens, once."""
        return bool(
            await self._steps.run(
                EXCHANGE, code=code, grant=grant, access=access, refresh=refresh, scopes=scopes
            )
        )

    async def token(self, digest: str) -> HeldToken | None:
        """Read a token whose grant lives."""
        found = await self._steps.run(READ_TOKEN, token=digest)
        if not found:
            return None
        kind, grant, scopes, kept = found
        return HeldToken(
            kind.decode(), grant.decode(), tuple(scopes.decode().split()), _granted(kept)
        )

    async def granted(self, grant: str) -> Granted | None:
        """Read a grant that lives."""
        (kept,) = await self._steps.run(READ_GRANT, grant=grant)
        return _granted(kept) if kept else None

    async def rotate(self, grant: str, old: str, access: str, refresh: str, scopes: str) -> bool:
        """Give out new tokens for a refresh token; False, and the grant ends, for a stale one."""
        return bool(
            await self._steps.run(
                ROTATE, grant=grant, old=old, access=access, refresh=refresh, scopes=scopes
            )
        )

    async def end(self, grant: str) -> None:
        """End a grant, and all that was given out for it."""
        await self._steps.run(END, grant=grant)


def _asked(kept: dict[str, object]) -> Asked:
    return Asked(**(kept | {"scopes": tuple(kept["scopes"])}))  # type: ignore[arg-type]


def _granted(kept: bytes) -> Granted:
    told = json.loads(kept)
    return Granted(_asked(told["asked"]), told["principal"], told["proven"])

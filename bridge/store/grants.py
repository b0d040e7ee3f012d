"""OAuth on record: codes, grants and tokens by their digests, and what clients are known."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from bridge.auth.seals import KEY_BYTES
from bridge.models import Json
from bridge.store.scripts import Script
from bridge.store.steps import Steps
from bridge.store.tokens import REVOKED

CLIENT_TTL_S = 90 * 86400
CONSENT_TTL_S = 600
CODE_TTL_S = 60
ACCESS_TTL_S = 3600
GRANT_TTL_S = 30 * 86400
ANSWERED_MAX = 10_000
"""How many questions are remembered as answered."""

GRACE_MS = 600_000
"""How long a refresh token still counts once one that was given out for it has been used."""

REFRESH_TOKENS_MAX = 16
"""How many refresh tokens of one grant count at once; the one unused longest makes room."""

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

# A grant's hash holds a line for each refresh token that counts: the digest of the one it was given
# out for, when it was made or last used, whether it was used, and when it ends (0: not yet known).
_REFRESH_TOKENS = f"""
local function find(grant, token)
  local line = redis.call('HGET', oauth_grant_key(grant), 'refresh:' .. token)
  if not line then return nil end
  local parent, seen_at, used, ends_at = line:match('^(%S+) (%d+) (%d) (%d+)$')
  return {{parent = parent, seen_at = tonumber(seen_at), used = used == '1', ends_at = tonumber(ends_at)}}
end
local function put(grant, token, line)
  local told = string.format('%s %.0f %d %.0f', line.parent, line.seen_at, line.used and 1 or 0, line.ends_at)
  redis.call('HSET', oauth_grant_key(grant), 'refresh:' .. token, told)
end
local function add(grant, token, parent)
  put(grant, token, {{parent = parent, seen_at = now, used = false, ends_at = 0}})
end
local function is_over(line) return line.ends_at > 0 and line.ends_at <= now end
local function make_room(grant)
  local count, least, seen_at = 0, nil, nil
  for _, name in ipairs(redis.call('HKEYS', oauth_grant_key(grant))) do
    local token = name:match('^refresh:(.+)$')
    local line = token and find(grant, token)
    if line then
      count = count + 1
      local last = is_over(line) and 0 or line.seen_at
      if not least or last < seen_at then least, seen_at = name, last end
    end
  end
  if count >= {REFRESH_TOKENS_MAX} then redis.call('HDEL', oauth_grant_key(grant), least) end
end
-- Grants of before, when one token ended the other, name the newest one and the one before it.
local function take_over(grant)
  local newest, before = unpack(redis.call('HMGET', oauth_grant_key(grant), 'refresh', 'previous'))
  if not newest then return end
  local parent = (before and before ~= '') and before or '-'
  add(grant, newest, parent)
  if parent ~= '-' then put(grant, parent, {{parent = '-', seen_at = now, used = true, ends_at = 0}}) end
  redis.call('HDEL', oauth_grant_key(grant), 'refresh', 'previous', 'rotated_at')
end
"""

USED_CLIENT = Script(
    "digest",
    f"""
redis.call('SET', oauth_client_key(digest), '', 'NX', 'EX', {CLIENT_TTL_S})
redis.call('EXPIRE', oauth_client_key(digest), {CLIENT_TTL_S})
return {{}}
""",
)
READ_CLIENT = Script("digest", "return {redis.call('GET', oauth_client_key(digest))}")

KEY = Script(
    "fresh",
    "redis.call('SET', oauth_key_key(), fresh, 'NX') return {redis.call('GET', oauth_key_key())}",
)

# What is remembered is bounded, for who refuses proves nothing. Who would answer a question twice
# that was pushed out must have a token of the server both times.
_CLOSE = f"""
local function close(question)
  redis.call('ZREMRANGEBYSCORE', oauth_answered_key(), '-inf', now - {2 * CONSENT_TTL_S * 1000})
  local is_open = redis.call('ZADD', oauth_answered_key(), 'NX', now, question) == 1
  redis.call('ZREMRANGEBYRANK', oauth_answered_key(), 0, -{ANSWERED_MAX + 1})
  redis.call('EXPIRE', oauth_answered_key(), {2 * CONSENT_TTL_S})
  return is_open
end
"""
IS_ANSWERED = Script("question", "return {redis.call('ZSCORE', oauth_answered_key(), question)}")
REFUSE = Script("question", _CLOSE + "return {close(question) and 'refused' or nil}")
DECIDE = Script(
    "question code kept",
    _CLOSE
    + f"""
if redis.call('EXISTS', oauth_code_key(code)) == 1 then return {{'decided'}} end
if not close(question) then return {{}} end
redis.call('HSET', oauth_code_key(code), 'kept', kept, 'v', layout)
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
    + _REFRESH_TOKENS
    + f"""
local used = redis.call('HGET', oauth_code_key(code), 'grant')
if used == grant then return {{'exchanged'}} end
if used then finish(used) return {{}} end
local kept = redis.call('HGET', oauth_code_key(code), 'kept')
if not kept then return {{}} end
redis.call('HSET', oauth_code_key(code), 'grant', grant)
redis.call('EXPIRE', oauth_code_key(code), {ACCESS_TTL_S})
redis.call('HSET', oauth_grant_key(grant), 'kept', kept, 'v', layout)
add(grant, refresh, '-')
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

# The token that is used shows that it was received, so the one it was given out for may go.
ROTATE = Script(
    "grant old access refresh scopes reuse_ends",
    _END
    + _REFRESH_TOKENS
    + f"""
if redis.call('HEXISTS', oauth_grant_key(grant), 'kept') == 0 then return {{'refused'}} end
take_over(grant)
if find(grant, refresh) then return {{'rotated'}} end
local line = find(grant, old)
if not line or is_over(line) then
  if reuse_ends ~= '1' then return {{'refused'}} end
  finish(grant)
  return {{'ended'}}
end
local parent = find(grant, line.parent)
if parent and parent.ends_at == 0 then
  parent.ends_at = now + {GRACE_MS}
  put(grant, line.parent, parent)
end
local outcome = line.used and 'again' or 'rotated'
line.used, line.seen_at = true, now
put(grant, old, line)
redis.call('EXPIRE', oauth_token_key(old), {GRANT_TTL_S})
make_room(grant)
add(grant, refresh, old)
hand_out(grant, access, scopes, refresh)
return {{outcome}}
""",
)

END = Script("grant", _END + "finish(grant) return {}")


@dataclass(frozen=True)
class ConsentRequest:
    """What a client asks a person to consent to; `resource` is the address of the MCP server.

    `question` tells it from all others.
    """

    client_id: str
    client_name: str
    redirect_uri: str
    is_redirect_given: bool
    state: str | None
    code_challenge: str
    scopes: tuple[str, ...]
    resource: str
    server: str
    question: str = ""

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> Self:
        """Read what was written down."""
        return cls(**{**kept, "scopes": tuple(kept["scopes"])})


@dataclass(frozen=True)
class Granted:
    """What a person has consented to, as whom; `proven` digests the token that proved them."""

    asked: ConsentRequest
    principal: str
    proven: str

    def spell(self) -> str:
        """Write it down."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class DigestedPair:
    """An access and a refresh token as they are kept, and their scopes, separated by blanks."""

    access: str
    refresh: str
    scopes: str


class Rotated(StrEnum):
    """What became of a refresh token that was brought; the first two give out new tokens."""

    FIRST = "rotated"
    AGAIN = "again"
    REFUSED = "refused"
    ENDED = "ended"

    @property
    def is_done(self) -> bool:
        """Report whether new tokens were given out."""
        return self in (Rotated.FIRST, Rotated.AGAIN)


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

    async def key(self) -> bytes:
        """Read the key that seals what strangers carry; it is made once."""
        (key,) = await self._steps.run(KEY, fresh=secrets.token_bytes(KEY_BYTES))
        return bytes(key)

    async def used_client(self, digest: str) -> None:
        """Remember that a client was consented to, for as long as it comes back."""
        await self._steps.run(USED_CLIENT, digest=digest)

    async def is_used(self, digest: str) -> bool:
        """Report whether somebody has consented to a client."""
        (kept,) = await self._steps.run(READ_CLIENT, digest=digest)
        return kept is not None

    async def client(self, digest: str) -> Json:
        """Read what a client said of itself; None for one that is not on record.

        On record are those that registered before clients carried that themselves.
        """
        (kept,) = await self._steps.run(READ_CLIENT, digest=digest)
        found: Json = json.loads(kept) if kept else None
        return found

    async def is_answered(self, question: str) -> bool:
        """Report whether a question was answered."""
        (answered_at,) = await self._steps.run(IS_ANSWERED, question=question)
        return answered_at is not None

    async def refuse(self, question: str) -> bool:
        """Answer a question with no; False when it was answered before."""
        return bool(await self._steps.run(REFUSE, question=question))

    async def decide(self, question: str, code: str, granted: Granted) -> bool:
        """Answer a question with a code; False when it was answered before."""
        kept = granted.spell()
        return bool(await self._steps.run(DECIDE, question=question, code=code, kept=kept))

    async def code(self, code: str) -> tuple[Granted | None, str]:
        """Read what a code stands for, and the grant that it was used for, which ends with this."""
        (used_for,) = await self._steps.run(USED, code=code)
        (kept,) = await self._steps.run(READ_CODE, code=code)
        return (_granted(kept) if kept else None), used_for.decode()

    async def exchange(self, code: str, grant: str, pair: DigestedPair) -> bool:
        """Turn a code into a grant and its first tokens, once."""
        return bool(await self._steps.run(EXCHANGE, code=code, grant=grant, **asdict(pair)))

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

    async def rotate(self, grant: str, old: str, pair: DigestedPair, reuse_ends: bool) -> Rotated:
        """Return out new tokens for a refresh token that counts, and say whether it did.

        With `reuse_ends` the grant of one that counts no more ends.
        """
        (outcome,) = await self._steps.run(
            ROTATE,
            grant=grant,
            old=old,
            reuse_ends=int(reuse_ends),
            **asdict(pair),
        )
        return Rotated(outcome.decode())

    async def end(self, grant: str) -> None:
        """End a grant, and all that was given out for it."""
        await self._steps.run(END, grant=grant)


def _granted(kept: bytes) -> Granted:
    told = json.loads(kept)
    return Granted(ConsentRequest.read(told["asked"]), told["principal"], told["proven"])

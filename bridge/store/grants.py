"""OAuth on record: codes, grants and tokens by their digests, and what clients are known."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Self

from bridge.auth.seals import KEY_BYTES
from bridge.models import Json
from bridge.store.steps import Steps, step

CLIENT_TTL_S = 90 * 86400
CONSENT_TTL_S = 600
CODE_TTL_S = 60
ACCESS_TTL_S = 3600
GRANT_TTL_S = 30 * 86400
ANSWERED_TTL_S = 2 * CONSENT_TTL_S
ANSWERED_MAX = 10_000
"""How many questions are remembered as answered."""

GRACE_MS = 600_000
"""How long a refresh token still counts once one that was given out for it has been used."""

REFRESH_TOKENS_MAX = 16
"""How many refresh tokens of one grant count at once; the one unused longest makes room."""


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


class ClientRow(NamedTuple):
    """What a client said of itself; empty for one that carries that itself."""

    kept: bytes | None


class TokenRow(NamedTuple):
    """A token of a grant that lives, and what was consented to."""

    kind: str
    grant: str
    scopes: str
    kept: bytes


@step("grants.key")
async def _key(steps: Steps, *, fresh: bytes) -> bytes:
    """Read the key that seals what strangers carry."""


class LoginRow(NamedTuple):
    """The key that seals logins, and whether one was ended before its time."""

    key: bytes
    has_ended: bool


@step("grants.login")
async def _login(steps: Steps, *, login: str, fresh: bytes) -> LoginRow:
    """Read the key that seals logins, and whether one was ended."""


@step("grants.end_login")
async def _end_login(steps: Steps, *, login: str, left_s: int) -> None:
    """End a login."""


@step("grants.used_client")
async def _used_client(steps: Steps, *, digest: str, ttl_s: int) -> None:
    """Remember that a client was consented to."""


@step("grants.client")
async def _client(steps: Steps, *, digest: str) -> ClientRow:
    """Read what is on record of a client."""


@step("grants.is_answered")
async def _is_answered(steps: Steps, *, question: str) -> bool:
    """Report whether a question was answered."""


@step("grants.refuse")
async def _refuse(steps: Steps, *, question: str, kept_s: int, most: int) -> bool:
    """Answer a question with no."""


@step("grants.decide")
async def _decide(
    steps: Steps, *, question: str, code: str, kept: str, kept_s: int, most: int, code_ttl_s: int
) -> bool:
    """Answer a question with a code."""


@step("grants.read_code")
async def _read_code(steps: Steps, *, code: str) -> bytes | None:
    """Read what a code stands for."""


@step("grants.end_used")
async def _end_used(steps: Steps, *, code: str) -> str | None:
    """End the grant that a code was used for, and name it."""


@step("grants.exchange")
async def _exchange(
    steps: Steps,
    *,
    code: str,
    grant: str,
    pair: DigestedPair,
    access_ttl_s: int,
    grant_ttl_s: int,
) -> bool:
    """Turn a code into a grant and its first tokens."""


@step("grants.token")
async def _token(steps: Steps, *, digest: str) -> TokenRow | None:
    """Read a token whose grant lives."""


@step("grants.read")
async def _read(steps: Steps, *, grant: str) -> bytes | None:
    """Read a grant that lives."""


@step("grants.rotate")
async def _rotate(
    steps: Steps,
    *,
    grant: str,
    old: str,
    pair: DigestedPair,
    reuse_ends: bool,
    grace_ms: int,
    most: int,
    access_ttl_s: int,
    grant_ttl_s: int,
) -> Rotated:
    """Return what became of a refresh token."""


@step("grants.finish")
async def _finish(steps: Steps, *, grant: str) -> None:
    """End a grant."""


class GrantStore:
    """Speaks Redis for OAuth."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def key(self) -> bytes:
        """Read the key that seals what strangers carry; it is made once."""
        return await _key(self._steps, fresh=secrets.token_bytes(KEY_BYTES))

    async def login(self, login: str) -> LoginRow:
        """Read that key, and whether a login of this digest was ended before its time."""
        return await _login(self._steps, login=login, fresh=secrets.token_bytes(KEY_BYTES))

    async def end_login(self, login: str, left_s: int) -> None:
        """End a login whose time is over in so long."""
        await _end_login(self._steps, login=login, left_s=left_s)

    async def used_client(self, digest: str) -> None:
        """Remember that a client was consented to, for as long as it comes back."""
        await _used_client(self._steps, digest=digest, ttl_s=CLIENT_TTL_S)

    async def is_used(self, digest: str) -> bool:
        """Report whether somebody has consented to a client."""
        return (await _client(self._steps, digest=digest)).kept is not None

    async def client(self, digest: str) -> Json:
        """Read what a client said of itself; None for one that is not on record.

        On record are those that registered before clients carried that themselves.
        """
        row = await _client(self._steps, digest=digest)
        found: Json = json.loads(row.kept) if row.kept else None
        return found

    async def is_answered(self, question: str) -> bool:
        """Report whether a question was answered."""
        return await _is_answered(self._steps, question=question)

    async def refuse(self, question: str) -> bool:
        """Answer a question with no; False when it was answered before."""
        return await _refuse(
            self._steps, question=question, kept_s=ANSWERED_TTL_S, most=ANSWERED_MAX
        )

    async def decide(self, question: str, code: str, granted: Granted) -> bool:
        """Answer a question with a code; False when it was answered before."""
        return await _decide(
            self._steps,
            question=question,
            code=code,
            kept=granted.spell(),
            kept_s=ANSWERED_TTL_S,
            most=ANSWERED_MAX,
            code_ttl_s=CODE_TTL_S,
        )

    async def code(self, code: str) -> tuple[Granted | None, str]:
        """Read what a code stands for, and the grant that it was used for, which ends with this."""
        used_for = await _end_used(self._steps, code=code)
        kept = await _read_code(self._steps, code=code)
        return (_granted(kept) if kept else None), used_for or ""

    async def exchange(self, code: str, grant: str, pair: DigestedPair) -> bool:
        """Turn a code into a grant and its first tokens, once."""
        return await _exchange(
            self._steps,
            code=code,
            grant=grant,
            pair=pair,
            access_ttl_s=ACCESS_TTL_S,
            grant_ttl_s=GRANT_TTL_S,
        )

    async def token(self, digest: str) -> HeldToken | None:
        """Read a token whose grant lives."""
        row = await _token(self._steps, digest=digest)
        if row is None:
            return None
        return HeldToken(row.kind, row.grant, tuple(row.scopes.split()), _granted(row.kept))

    async def granted(self, grant: str) -> Granted | None:
        """Read a grant that lives."""
        kept = await _read(self._steps, grant=grant)
        return _granted(kept) if kept else None

    async def rotate(self, grant: str, old: str, pair: DigestedPair, reuse_ends: bool) -> Rotated:
        """Hand out new tokens for a refresh token that counts; returns whether it did.

        With `reuse_ends` the grant of one that counts no more ends.
        """
        return await _rotate(
            self._steps,
            grant=grant,
            old=old,
            pair=pair,
            reuse_ends=reuse_ends,
            grace_ms=GRACE_MS,
            most=REFRESH_TOKENS_MAX,
            access_ttl_s=ACCESS_TTL_S,
            grant_ttl_s=GRANT_TTL_S,
        )

    async def end(self, grant: str) -> None:
        """End a grant, and all that was given out for it."""
        await _finish(self._steps, grant=grant)


def _granted(kept: bytes) -> Granted:
    told = json.loads(kept)
    return Granted(ConsentRequest.read(told["asked"]), told["principal"], told["proven"])

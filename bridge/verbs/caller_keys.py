"""Who asks, as workflows are told it, and the keys that prove it to n8n."""

import asyncio
import contextlib
import math
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

import httpx2

from bridge.auth.caller_tokens import LIFE_S, CallerKey
from bridge.errors import TransientError
from bridge.formats.addresses import DEFAULT_PORTS
from bridge.models import CallId, Json, Principal
from bridge.store.caller_keys import CHANGED, CallerKeyRow, CallerKeyStore
from bridge.store.signals import Signals
from bridge.verbs.tokens import ISSUED

KNOWN_S = 60.0
"""How long a process goes by the keys that it has read, unless it hears that they are others."""

ANNOUNCED_S = 600
"""How long a new key is published before it signs: longer than anybody keeps the published set."""

KEPT_S = 2 * LIFE_S
"""How long an earlier key is published after it has signed last, whatever clocks differ by."""


@dataclass(frozen=True)
class KeyOnRecord:
    """A key as operators see it; times are on Redis's clock, `ends_at_ms` None: it is the last.

    `status` is `next` before it signs, then `signs`, and `counts` once another does.
    """

    key: CallerKey
    status: str
    signs_at_ms: int
    ends_at_ms: int | None


@dataclass(frozen=True)
class Told:
    """Of which call somebody is told, and where: `audience` is the address of the webhook."""

    call_id: CallId
    workflow: str
    audience: str


def asker(principal: Principal, more: Mapping[str, Json]) -> dict[str, Json]:
    """Return who asks: server and name, and what else is known of them.

    `sub` is the subject at an outside issuer. `more` is what a call keeps: how the `client` calls
    itself, or which `operator` has run it again, who then acts for the principal (RFC 8693, 4.1).
    """
    told: dict[str, Json] = {"server": principal.server, "name": principal.name}
    if principal.name.startswith(ISSUED):
        told["sub"] = unquote(principal.name.removeprefix(ISSUED))
    if client := more.get("client"):
        told["client"] = client
    if operator := more.get("operator"):
        told["act"] = {"sub": operator}
    return told


class CallerKeys:
    """Decides by which key it is proved who asks; all processes have the same keys."""

    def __init__(self, store: CallerKeyStore, issuer: str) -> None:
        self._store = store
        self._issuer = issuer
        self._known: list[tuple[float, CallerKey]] = []
        self._read_at = -math.inf
        self._reading = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def hearing(self, signals: Signals) -> AsyncIterator[None]:
        """Read the keys anew as soon as they are others, while the block lasts."""
        with signals.calling(self._forget, CHANGED):
            yield

    def _forget(self) -> None:
        self._read_at = -math.inf

    async def demand_keys(self) -> None:
        """Have the keys at hand, so that the next token waits for nothing.

        Raises:
            StoreUnavailableError: they were never read, and Redis does not answer.
        """
        await self._current()

    async def token(self, who: Mapping[str, Json], told: Told) -> str:
        """Return a token that proves to a webhook who asks; each is another.

        Raises:
            StoreUnavailableError: the keys were never read, and Redis does not answer.
        """
        key, now_s = await self._signing(), int(time.time())
        return key.sign(
            {
                "iss": self._issuer,
                "aud": _origin(told.audience),
                "iat": now_s,
                "exp": now_s + LIFE_S,
                "jti": secrets.token_urlsafe(16),
                **who,
                "call_id": told.call_id,
                "workflow": told.workflow,
            }
        )

    async def published(self) -> dict[str, Json]:
        """Return the keys by which tokens are verified, as a JWK Set (RFC 7517)."""
        return {"keys": [key.jwk for _, key in await self._current()]}

    async def listed(self) -> list[KeyOnRecord]:
        """List the keys that count, oldest first; none where none was ever needed."""
        rows = _in_order(await self._store.read())
        began = [row for row in rows if row.signs_in_ms <= 0]

        def status(row: CallerKeyRow) -> str:
            return "next" if row not in began else "signs" if row is began[-1] else "counts"

        return [KeyOnRecord(_key(row), status(row), row.signs_at, row.ends_at) for row in rows]

    async def rotate(self, *, is_leaked: bool) -> KeyOnRecord:
        """Have a new key sign in a while, and those before it count until theirs have run out.

        If one is leaked the new one signs at once, and those before it count no more.
        """
        new = CallerKey.made()
        delay_s = 0 if is_leaked else ANNOUNCED_S
        await self._store.rotate(new.key_id, new.private, delay_s, KEPT_S)
        return next(each for each in await self.listed() if each.key.key_id == new.key_id)

    async def _signing(self) -> CallerKey:
        known = await self._current()
        now = asyncio.get_running_loop().time()
        began = [key for signs_at, key in known if signs_at <= now]
        return began[-1] if began else known[0][1]  # Redis's clock may have been set back

    async def _current(self) -> list[tuple[float, CallerKey]]:
        """Return the keys, and when each signs from on the loop's clock, in that order.

        While Redis is away they are those that were read last.
        """
        async with self._reading:
            now = asyncio.get_running_loop().time()
            if now - self._read_at >= KNOWN_S or not self._known:
                self._read_at = now
                try:
                    rows = _in_order(await self._store.read() or await self._first())
                    self._known = [(now + row.signs_in_ms / 1000, _key(row)) for row in rows]
                except TransientError:
                    if not self._known:
                        raise
            return self._known

    async def _first(self) -> list[CallerKeyRow]:
        """Make the first key, unless another process has just made it."""
        made = CallerKey.made()
        return await self._store.read(made.key_id, made.private)


def _in_order(rows: list[CallerKeyRow]) -> list[CallerKeyRow]:
    return sorted(rows, key=lambda row: row.signs_at)


def _key(row: CallerKeyRow) -> CallerKey:
    return CallerKey(row.key_id, row.private)


def _origin(url: str) -> str:
    """Return the origin of an address as browsers spell it in ASCII (RFC 6454, 6.2)."""
    parts = httpx2.URL(url)
    port = "" if parts.port in (None, DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    host = parts.raw_host.decode().lower()
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"

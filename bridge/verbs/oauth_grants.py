"""The verbs of OAuth's built-in authorization server: ask, consent, exchange, refresh, end."""

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Protocol

from bridge.auth.authentication import Scope, TokenAccess, digest_of
from bridge.auth.seals import seal, unseal
from bridge.configuration.servers import Server
from bridge.configuration.settings import Settings
from bridge.errors import ConflictError, TooLargeError, UnauthorizedError
from bridge.log import audit
from bridge.models import Json, Principal
from bridge.store.grants import (
    ACCESS_TTL_S,
    CONSENT_TTL_S,
    ConsentRequest,
    DigestedPair,
    Granted,
    GrantStore,
    HeldToken,
    Rotated,
)

WIRES = ("mcp", "mcp-2025", "sse")
"""What a server's addresses begin with."""


SEALED = "nb_c_"
"""What the ids of clients begin with that say what the client said."""

CLIENT_ID_CHARS_MAX = 2048
QUESTION_CHARS_MAX = 7000
"""What an address may hold: nginx reads lines of 8 KiB."""

_OUTCOMES = {
    Rotated.FIRST: "done",
    Rotated.AGAIN: "done again",
    Rotated.REFUSED: "reused",
    Rotated.ENDED: "reused, grant ended",
}
"""What the audit says of them."""


@dataclass(frozen=True)
class Pair:
    """What a client is given: the two tokens, and for how many seconds the first is good."""

    access: str
    refresh: str
    scopes: tuple[str, ...]
    expires_in_s: int = ACCESS_TTL_S


def resources_of(public_url: str, server: str) -> tuple[str, ...]:
    """Return the addresses of a server, any of which names it as a resource (RFC 8707)."""
    return tuple(f"{public_url}/{wire}/{server}" for wire in WIRES)


def name_of(client_id: str) -> str:
    """Return what the log calls a client by: its id, or what stands for one that is long."""
    return digest_of(client_id)[:16] if client_id.startswith(SEALED) else client_id


class PeoplesTokens(Protocol):
    """The tokens by which people prove who they are when they consent."""

    async def find(self, server: Server, token: str) -> TokenAccess | None:
        """Find whom a token lets in."""

    async def rights(self, server: Server, digest: str) -> Scope | None:
        """Report what a token is good for, by its digest; None for one that is none any more."""


class Grants:
    """Decides what a client may have that a person has consented to."""

    def __init__(
        self,
        store: GrantStore,
        tokens: PeoplesTokens,
        servers: Mapping[str, Server],
        settings: Settings,
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._servers = servers
        self.app_schemes = settings.oauth_app_schemes
        self._reuse_ends = settings.oauth_reuse_ends_grant
        self.issuer = settings.public_url or ""

    async def sealing_key(self) -> bytes:
        """Return the key of the store's that seals what strangers carry."""
        return await self._store.key()

    async def login_key(self, login: str) -> bytes | None:
        """Return that key for a login of this digest; None for one that was ended."""
        row = await self._store.login(login)
        return None if row.has_ended else row.key

    async def end_login(self, login: str, left_s: int) -> None:
        """End a login before its time, which is over in so long."""
        await self._store.end_login(login, left_s)

    def server_of(self, resource: str | None) -> str | None:
        """Name the server that a resource is; None for anything else."""
        named = (resource or "").rstrip("/")
        for name in self._servers:
            if named in resources_of(self.issuer, name):
                return name
        return None

    async def register(self, client: Json) -> str:
        """Return the id of a client that registers, which says itself what the client said.

        Raises:
            TooLargeError: that is more than an id may hold.
        """
        told = {"client": client, "nonce": secrets.token_urlsafe(8)}
        client_id = SEALED + seal(told, await self._store.key(), "client")
        if len(client_id) > CLIENT_ID_CHARS_MAX:
            raise TooLargeError("what a client says of itself must be shorter")
        return client_id

    async def client(self, client_id: str) -> dict[str, Json] | None:
        """Read what a client said of itself; None for an unknown one."""
        if not client_id.startswith(SEALED):
            kept = await self._store.client(digest_of(client_id))
            return kept if isinstance(kept, dict) else None
        sealed = client_id.removeprefix(SEALED)[:CLIENT_ID_CHARS_MAX]
        told = unseal(sealed, await self._store.key(), "client")
        client = told["client"] if isinstance(told, dict) else None
        return client if isinstance(client, dict) else None

    async def is_used(self, client_id: str) -> bool:
        """Report whether somebody has consented to a client, of late."""
        return await self._store.is_used(digest_of(client_id))

    async def ask(self, asked: ConsentRequest) -> str:
        """Put a question to whoever opens the page of the id that is given.

        The id holds the question, so that none is kept for those who will not answer.

        Raises:
            TooLargeError: it is more than an address may hold.
        """
        told = asdict(replace(asked, question=secrets.token_urlsafe(16)))
        consent_id = seal(told, await self._store.key(), "question")
        if len(consent_id) > QUESTION_CHARS_MAX:
            raise TooLargeError("the request must be shorter: its state, say")
        return consent_id

    async def asked(self, consent_id: str) -> ConsentRequest | None:
        """Read a question that is still open."""
        sealed = consent_id[:QUESTION_CHARS_MAX]
        told = unseal(sealed, await self._store.key(), "question", CONSENT_TTL_S)
        asked = ConsentRequest.read(told) if isinstance(told, dict) else None
        if asked is None or await self._store.is_answered(asked.question):
            return None
        return asked

    async def consent(self, asked: ConsentRequest, token: str) -> str:
        """Consent as the principal whom the token proves; returns the code for the client.

        Raises:
            UnauthorizedError: it is no token of that server.
            ConflictError: the question was answered before, or is too old.
        """
        access = await self._tokens.find(self._servers[asked.server], token.strip())
        if access is None:
            raise UnauthorizedError("this is no token of that server")
        code = secrets.token_urlsafe(32)
        granted = Granted(asked, access.principal.name, digest_of(token.strip()))
        if not await self._store.decide(asked.question, digest_of(code), granted):
            raise ConflictError("this question was answered already; start again at the client")
        audit(str(access.principal), "oauth consent", name_of(asked.client_id), "done")
        return code

    async def refuse(self, asked: ConsentRequest) -> bool:
        """Report no; the question is closed. False when it was before."""
        return await self._store.refuse(asked.question)

    async def code(self, code: str) -> Granted | None:
        """Read what a code stands for; None for one that is unknown, too old, or used.

        What came of one that was used ends with this.
        """
        granted, used_for = await self._store.code(digest_of(code))
        if granted and used_for:
            self._record(granted, "oauth exchange", used_for, "reused")
        return granted if granted and granted.proven and not used_for else None

    async def exchange(self, code: str, granted: Granted) -> Pair | None:
        """Turn a code into tokens, once."""
        grant, pair = secrets.token_urlsafe(24), _new_pair(granted.asked.scopes)
        done = await self._store.exchange(digest_of(code), grant, _digested(pair))
        if done:
            await self._store.used_client(digest_of(granted.asked.client_id))
        self._record(granted, "oauth exchange", grant, "done" if done else "reused")
        return pair if done else None

    async def held(self, token: str) -> HeldToken | None:
        """Read a token that was given out, while what it rests on stands."""
        held = await self._store.token(digest_of(token))
        if held is None or await self._rights(held.granted) is None:
            return None
        return held

    async def rotate(self, old: str, held: HeldToken, scopes: tuple[str, ...]) -> Pair | None:
        """Return new tokens for a refresh token; None for one that counts no more.

        It counts until 10 minutes after one that was given out for it has been used.
        """
        pair = _new_pair(scopes)
        outcome = await self._store.rotate(
            held.grant, digest_of(old), _digested(pair), self._reuse_ends
        )
        if outcome.is_done:
            await self._store.used_client(digest_of(held.granted.asked.client_id))
        self._record(held.granted, "oauth refresh", held.grant, _OUTCOMES[outcome])
        return pair if outcome.is_done else None

    async def end(self, held: HeldToken) -> None:
        """End a grant, and all that was given out for it."""
        await self._store.end(held.grant)
        self._record(held.granted, "oauth revoke", held.grant)

    async def lives(self, grant: str) -> bool:
        """Report whether a grant still stands."""
        return await self.rights(grant) is not None

    async def rights(self, grant: str) -> Scope | None:
        """Report what a grant lets see at most; None for one that stands no more."""
        granted = await self._store.granted(grant)
        return await self._rights(granted) if granted else None

    async def _rights(self, granted: Granted) -> Scope | None:
        """Report what the token that the person proved themself with is still good for."""
        server = self._servers.get(granted.asked.server)
        return await self._tokens.rights(server, granted.proven) if server else None

    def _record(self, granted: Granted, what: str, grant: str, outcome: str = "done") -> None:
        who = Principal(granted.asked.server, granted.principal)
        audit(str(who), what, digest_of(grant)[:16], outcome)


def _new_pair(scopes: tuple[str, ...]) -> Pair:
    return Pair("nb_a_" + secrets.token_urlsafe(32), "nb_r_" + secrets.token_urlsafe(32), scopes)


def _digested(pair: Pair) -> DigestedPair:
    return DigestedPair(digest_of(pair.access), digest_of(pair.refresh), " ".join(pair.scopes))

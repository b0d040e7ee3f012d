"""Who asks, and what they may: tokens of clients, credentials of hooks, scopes."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Self

from pydantic import SecretStr

from bridge.configuration.servers import (
    BasicAuth,
    BearerAuth,
    HeaderAuth,
    Hook,
    HookAuth,
    Server,
    StandardWebhooksAuth,
)
from bridge.errors import (
    UnauthorizedError,
)
from bridge.formats.signatures import SIGNED, TOLERANCE_S, is_signed, is_timely
from bridge.models import Call, Principal

LOCAL = "local"
WEBHOOK_ID = "webhook-id"


def is_same(given: str, known: str) -> bool:
    """Compare without telling by the time it takes where the two differ."""
    return hmac.compare_digest(given.encode(), known.encode())


def owner_of(server: Server, token: str) -> Principal | None:
    """Name the principal that a token of the server's file stands for; None for any other."""
    names = [each.name for each in server.tokens if is_same(token, each.value.get_secret_value())]
    return Principal(server.name, names[0]) if names else None


@dataclass(frozen=True)
class Sender:
    """What a request to a hook brings along as proof.

    `body` is as it was received; None before it was read, when a signature that could be of it
    counts as one.
    """

    headers: Mapping[str, str]
    body: bytes | None
    now_s: float


@dataclass(frozen=True)
class Proof:
    """What was proved: whether it covers the headers too, and the id that a signature covers."""

    covers_headers: bool
    signed_id: str = ""


WHOLE = Proof(covers_headers=True)


def check_hook(hook: Hook, sender: Sender) -> Proof:
    """Let a sender in that proves itself by any of the hook's credentials.

    Raises:
        UnauthorizedError: by none; says why, and by what it may.
    """
    proved: list[HookAuth] = []
    why: dict[str, None] = {}
    for auth in hook.auth:
        if fault := _fault(auth, sender):
            why[fault] = None
        elif auth.covers_headers:
            return WHOLE
        else:
            proved.append(auth)
    if not proved:
        challenges = dict.fromkeys(auth.challenge for auth in hook.auth)
        raise UnauthorizedError("; ".join(why), ", ".join(challenges))
    ids = (
        sender.headers.get(auth.id_header, "")
        for auth in proved
        if isinstance(auth, StandardWebhooksAuth)
    )
    return Proof(covers_headers=False, signed_id=next(filter(None, ids), ""))


def is_proved(hook: Hook, sender: Sender) -> bool:
    """Report whether a sender proves itself by any of the hook's credentials."""
    return any(_fault(auth, sender) is None for auth in hook.auth)


def proof_headers(servers: Iterable[Server]) -> frozenset[str]:
    """Return the headers by which a sender may prove itself to any hook, in small letters."""
    return frozenset(
        name
        for server in servers
        for hook in server.hooks.values()
        for auth in hook.auth
        for name in auth.headers
    )


def _fault(auth: HookAuth, sender: Sender) -> str | None:
    """Report what is wrong with the proof that a credential asks for; None if it is right."""
    match auth:
        case BearerAuth():
            given = bearer(sender.headers.get("authorization"))
            is_right = is_same(given, _value(auth.token))
            return None if is_right else "Authorization must be Bearer and this hook's token"
        case BasicAuth():
            known = f"{auth.user}:{_value(auth.password)}"
            is_right = is_same(_basic(sender.headers.get("authorization")), known)
            return (
                None if is_right else "Authorization must be Basic, this hook's user and password"
            )
        case HeaderAuth():
            # Header values are latin-1 on their way in: so this is how that of the file comes.
            known = _value(auth.value).encode().decode("latin-1")
            is_right = is_same(sender.headers.get(auth.name.lower(), ""), known)
            return None if is_right else f"{auth.name} must be this hook's secret"
        case StandardWebhooksAuth():
            return _standard_webhooks_fault(auth, sender)
        case _:
            secret = _value(auth.secret)
            return auth.scheme.fault(secret, sender.headers, sender.body, sender.now_s)


def _standard_webhooks_fault(auth: StandardWebhooksAuth, sender: Sender) -> str | None:
    message_id, timestamp, signatures = (sender.headers.get(name, "") for name in auth.headers)
    if not (message_id and timestamp and signatures):
        return f"the headers {', '.join(auth.headers)} are needed"
    if not is_timely(timestamp, sender.now_s):
        return (
            f"{auth.headers[1]} must be within {TOLERANCE_S} seconds of the bridge's clock, which "
            f"is at {sender.now_s:.0f}: the request is stale, or a clock is wrong"
        )
    if sender.body is None:
        return None
    if not is_signed(signatures, auth.key, message_id, timestamp, sender.body):
        return f"{auth.headers[2]} must hold a v1 signature of {SIGNED}"
    return None


def _value(secret: SecretStr) -> str:
    return secret.get_secret_value()


def bearer(authorization: str | None) -> str:
    """Read the token out of an Authorization header; empty when there is none."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _basic(authorization: str | None) -> str:
    scheme, _, given = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(given.strip(), validate=True).decode()
    except ValueError:
        return ""


@dataclass(frozen=True)
class Scope:
    """Which hooks and workflows, by name, and whether more than reading; None is all of them.

    Without `acts` events are listed and read, and only workflows that change nothing are run.
    """

    acts: bool = True
    hooks: frozenset[str] | None = None
    workflows: frozenset[str] | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `spell` has written."""
        kept = json.loads(text)
        hooks, workflows = kept["hooks"], kept["workflows"]
        return cls(
            kept["acts"],
            None if hooks is None else frozenset(hooks),
            None if workflows is None else frozenset(workflows),
        )

    def spell(self) -> str:
        """Write it down, equal scopes alike."""
        hooks, workflows = self.hooks, self.workflows
        kept = {
            "acts": self.acts,
            "hooks": None if hooks is None else sorted(hooks),
            "workflows": None if workflows is None else sorted(workflows),
        }
        return json.dumps(kept)

    def covers_hook(self, name: str) -> bool:
        """Report whether events of this hook are in it."""
        return self.hooks is None or name in self.hooks

    def covers_workflow(self, name: str) -> bool:
        """Report whether calls of this workflow are in it; whoever only reads may read them all."""
        return self.workflows is None or name in self.workflows

    def narrow(self, call: Call) -> Call:
        """Return a call as this scope may see it, without what it asks on other hooks."""
        asked = tuple(each for each in call.questions if self.covers_hook(each.hook))
        return replace(call, questions=asked)

    def view(self, server: Server) -> Server:
        """Return the server as whoever has this scope may see it."""
        if self == EVERYTHING:
            return server
        hooks = {name: hook for name, hook in server.hooks.items() if self.covers_hook(name)}
        workflows = {
            name: workflow
            for name, workflow in server.workflows.items()
            if self.covers_workflow(name) and (self.acts or workflow.annotations.read_only)
        }
        return server.model_copy(update={"hooks": hooks, "workflows": workflows})


EVERYTHING = Scope()
"""What tokens of server files are good for."""


@dataclass(frozen=True)
class TokenAccess:
    """Who was let in, and what for; `digest` is that of the token, where it can be revoked."""

    principal: Principal
    scope: Scope = EVERYTHING
    digest: str = ""


def digest_of(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()

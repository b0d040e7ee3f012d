"""Who asks: bearer tokens of Claude clients, credentials and signatures of hooks."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from bridge.errors import UnauthorizedError
from bridge.models import Principal
from bridge.servers import (
    BasicAuth,
    BearerAuth,
    GithubAuth,
    Hook,
    HookAuth,
    Server,
    StandardWebhooksAuth,
)
from bridge.signatures import TOLERANCE_S, is_same, is_signed, is_timely, sign_as_github

LOCAL = "local"
WEBHOOK_ID = "webhook-id"
PROOFS = frozenset({"authorization", "webhook-signature", "x-hub-signature-256"})
"""The headers by which a sender may prove itself."""

_GITHUB = re.compile("sha256=[0-9a-f]{64}")
_SIGNED = "the body, byte for byte as it was sent, by one of this hook's secrets"


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


def check_hook(hook: Hook, sender: Sender) -> Proof:
    """Let a sender in that proves itself by any of the hook's credentials.

    Raises:
        UnauthorizedError: by none; says why, and by what it may.
    """
    verdicts = [(auth, _fault(auth, sender)) for auth in hook.auth]
    proved = [auth for auth, fault in verdicts if fault is None]
    if not proved:
        why = dict.fromkeys(fault for _, fault in verdicts if fault)
        challenges = dict.fromkeys(auth.challenge for auth in hook.auth)
        raise UnauthorizedError("; ".join(why), ", ".join(challenges))
    if any(auth.covers_headers for auth in proved):
        return Proof(covers_headers=True)
    has_id = any(isinstance(auth, StandardWebhooksAuth) for auth in proved)
    return Proof(
        covers_headers=False, signed_id=sender.headers.get(WEBHOOK_ID, "") if has_id else ""
    )


def _fault(auth: HookAuth, sender: Sender) -> str | None:
    """Say what is wrong with the proof that a credential asks for; None if it is right."""
    match auth:
        case BearerAuth():
            given = bearer(sender.headers.get("authorization"))
            is_right = is_same(given, auth.token.get_secret_value())
            return None if is_right else "Authorization must be Bearer and this hook's token"
        case BasicAuth():
            known = f"{auth.user}:{auth.password.get_secret_value()}"
            is_right = is_same(_basic(sender.headers.get("authorization")), known)
            return (
                None if is_right else "Authorization must be Basic, this hook's user and password"
            )
        case StandardWebhooksAuth():
            return _standard_webhooks_fault(auth, sender)
        case GithubAuth():
            given = sender.headers.get("x-hub-signature-256", "")
            if sender.body is None:
                is_right = _GITHUB.fullmatch(given) is not None
            else:
                is_right = is_same(given, sign_as_github(_value(auth.secret), sender.body))
            return None if is_right else f"X-Hub-Signature-256 must be a signature of {_SIGNED}"


def _standard_webhooks_fault(auth: StandardWebhooksAuth, sender: Sender) -> str | None:
    names = (WEBHOOK_ID, "webhook-timestamp", "webhook-signature")
    message_id, timestamp, signatures = (sender.headers.get(name, "") for name in names)
    if not (message_id and timestamp and signatures):
        return f"the headers {', '.join(names)} are needed"
    if not is_timely(timestamp, sender.now_s):
        return (
            f"webhook-timestamp must be within {TOLERANCE_S} seconds of the bridge's clock, which "
            f"is at {sender.now_s:.0f}: the request is stale, or a clock is wrong"
        )
    if sender.body is None:
        return None
    if not is_signed(signatures, auth.key, message_id, timestamp, sender.body):
        return f"webhook-signature must hold a v1 signature of {_SIGNED}"
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

"""What proves a sender to a hook, made by who knows the hook's secrets."""

import base64
import secrets

import httpx2

from bridge.configuration.credentials import (
    BasicAuth,
    BearerAuth,
    HeaderAuth,
    HmacAuth,
    ProviderAuth,
    StandardWebhooksAuth,
)
from bridge.configuration.servers import Hook, HookAuth
from bridge.formats.signatures import HmacScheme, sign


def proof_for(hook: Hook, body: bytes, now_s: float) -> dict[str, str]:
    """Return the headers that prove the sender of a body, by the first way that the hook takes."""
    return _proof(hook.auth[0], body, str(int(now_s)))


def _proof(auth: HookAuth, body: bytes, timestamp: str) -> dict[str, str]:
    match auth:
        case BearerAuth():
            return {"authorization": f"Bearer {auth.token.get_secret_value()}"}
        case HeaderAuth():
            return {auth.name: auth.value.get_secret_value()}
        case BasicAuth():
            basic = httpx2.BasicAuth(auth.user, auth.password.get_secret_value())
            request = next(basic.auth_flow(httpx2.Request("POST", "http://any")))
            return {"authorization": request.headers["authorization"]}
        case StandardWebhooksAuth():
            message_id = f"msg_{secrets.token_urlsafe(16)}"
            signature = sign(auth.key, message_id, timestamp, body)
            return dict(zip(auth.headers, (message_id, timestamp, signature), strict=True))
        case ProviderAuth() | HmacAuth():
            return _signed(auth.scheme, auth.secret.get_secret_value(), timestamp, body)


def _signed(scheme: HmacScheme, secret: str, timestamp: str, body: bytes) -> dict[str, str]:
    made = scheme.sign(secret, timestamp, body)
    encoded = made.hex() if scheme.encoding == "hex" else base64.b64encode(made).decode()
    signature = f"{scheme.prefix}{encoded}"
    if scheme.is_in_header:
        return {scheme.header: f"{scheme.timestamp}{timestamp},{signature}"}
    own = {scheme.timestamp: timestamp} if scheme.timestamp else {}
    return own | {scheme.header: signature}

"""Receivers of webhooks: https addresses that clients name, who prove themselves and are told.

Whoever subscribes proves nothing about the address: so the receiver must say back a secret first,
or anybody could have the bridge flood anybody.

Source: SEP-3415, "Webhook Event Delivery" and "Webhook Security"; Standard Webhooks 1.0.
"""

import json
import re
import secrets
import time
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

import httpx2

from bridge import __version__
from bridge.auth.authentication import is_same
from bridge.errors import TransientError
from bridge.formats.signatures import key_of, sign
from bridge.models import Json
from bridge.net.public_http import PublicHttp, UnreachableError, is_any

TIMEOUT_S = 5.0
ANSWER_BYTES = 16_384
URL_CHARS = 2000
SECRET_BYTES = range(24, 65)
GONE, TOO_LARGE = 410, 413

_URL = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:[/?][!\"$-\[\]-~]*)?")
_PREFIX = "whsec_"


@dataclass(frozen=True)
class Receiver:
    """Where one subscription is sent to, and what for: the newest secret signs first."""

    subscription_id: str
    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)


class ReceiverError(TransientError):
    """A receiver did not take a message; `reason` is a category, and nothing that it said."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the receiver did not take the message: {reason}")
        self.reason = reason


class MessageRefusedError(ReceiverError):
    """The receiver wants this one message never again (410), or cannot take one so long (413)."""


def fault_of_url(url: str) -> str | None:
    """Report why an address can be no receiver's; None if it can."""
    if not url.startswith("https://"):
        return "delivery.url must begin with https://"
    if len(url) > URL_CHARS or not _URL.fullmatch(url):
        return "delivery.url must be a plain https address without user or fragment"
    try:
        _ = urlsplit(url).port
    except ValueError:
        return "delivery.url must name a port from 1 to 65535, if any"
    return None


def fault_of_secret(secret: str) -> str | None:
    """Report why a text cannot sign; None if it can."""
    try:
        length = len(key_of(secret)) if secret.startswith(_PREFIX) else 0
    except ValueError:
        length = 0
    if length in SECRET_BYTES:
        return None
    return "delivery.secret must be whsec_ and the base64 of 24 to 64 random bytes"


@dataclass(frozen=True)
class Receivers:
    """Speaks to receivers: to any on the internet, and inside only to those of `origins`."""

    http: PublicHttp
    origins: frozenset[str] = frozenset()

    async def prove(self, receiver: Receiver) -> None:
        """Have a receiver say back a secret that only it was told.

        Raises:
            ReceiverError: it did not.
        """
        challenge = secrets.token_urlsafe(32)
        told: Json = {"type": "verification", "challenge": challenge}
        body = await self.post(receiver, new_message_id("verification"), told)
        try:
            said = json.loads(body)
        except ValueError:
            said = None
        given = said.get("challenge") if isinstance(said, dict) else None
        if not isinstance(given, str) or not is_same(given, challenge):
            raise ReceiverError("challenge_failed")

    async def post(self, receiver: Receiver, message_id: str, message: Json) -> bytes:
        """Send one message; returns the start of the answer's body.

        Raises:
            MessageRefusedError: the receiver does not want this one, now or ever.
            ReceiverError: it did not take it.
        """
        try:
            http = self._http_to(receiver)
            answer = await http.send(
                _request(receiver, message_id, message),
                timeout_s=TIMEOUT_S,
                bytes_max=ANSWER_BYTES,
            )
        except UnreachableError as error:
            raise ReceiverError(error.reason) from error
        if answer.status in (GONE, TOO_LARGE):
            raise MessageRefusedError("http_4xx")
        if answer.status // 100 != 2:
            raise ReceiverError("http_5xx" if answer.status >= 500 else "http_4xx")
        return answer.body

    def _http_to(self, receiver: Receiver) -> PublicHttp:
        parts = urlsplit(receiver.url)
        is_known = f"{parts.scheme}://{parts.netloc}".lower() in self.origins
        return replace(self.http, is_let=is_any) if is_known else self.http


def new_message_id(kind: str) -> str:
    """Mint the id of a message that tells of no event."""
    return f"msg_{kind}_{secrets.token_hex(16)}"


def _request(receiver: Receiver, message_id: str, message: Json) -> httpx2.Request:
    """Write one attempt; each is signed anew, for a receiver takes no old signatures."""
    body = json.dumps(message, separators=(",", ":")).encode()
    sent_at = str(int(time.time()))
    keys = [key_of(secret) for secret in receiver.secrets]
    headers = {
        "content-type": "application/json",
        "user-agent": f"n8n-claude-bridge/{__version__}",
        "webhook-id": message_id,
        "webhook-timestamp": sent_at,
        "webhook-signature": " ".join(sign(key, message_id, sent_at, body) for key in keys),
        "x-mcp-subscription-id": receiver.subscription_id,
    }
    return httpx2.Request("POST", receiver.url, headers=headers, content=body)

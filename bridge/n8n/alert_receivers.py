"""Requests to the receivers of alerts, n8n among them: what is sent, and whether it was taken.

The addresses are the operator's own, so they may be inside the network. No redirect is followed, no
proxy asked and no cookie kept, and nothing that is answered is told on.
"""

import asyncio
import json
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import httpx2

from bridge import __version__
from bridge.configuration.alerts import AlertReceiver
from bridge.formats.signatures import key_of, sign
from bridge.n8n.answers import N8nAnswer
from bridge.n8n.authorization import authorization, fixed_headers
from bridge.n8n.failures import UNSENDABLE, causes_of
from bridge.n8n.webhook_answers import STARTING_UP, TURNED_AWAY
from bridge.net.public_http import exchange

TIMEOUT_S = 10.0
ANSWER_BYTES = 16_384
FAILURES = (httpx2.InvalidURL, httpx2.HTTPError, OSError, TimeoutError, ValueError)

CAUSES: tuple[tuple[type[BaseException], str], ...] = (
    (ssl.SSLCertVerificationError, "its TLS certificate is not trusted here"),
    (ssl.SSLError, "TLS with it failed: is its address right to begin with https?"),
    (socket.gaierror, "the name of its host does not resolve"),
    (ConnectionRefusedError, "its host refuses connections at this port: does it run?"),
    (httpx2.TimeoutException, "it did not answer in time"),
    (TimeoutError, "it did not answer in time"),
    (httpx2.ConnectError, "its host cannot be reached"),
)
BROKEN = "the connection broke before it had answered"


async def post(receiver: AlertReceiver, message_id: str, event: dict[str, Any]) -> str:
    """Send an event; return why it was not taken, or an empty text where it was.

    `message_id` is what a receiver knows repeats by. Each attempt is signed anew, for a receiver
    takes no old signatures.

    Source: Standard Webhooks 1.0.
    """
    try:
        answer = await _exchange(request_to(receiver, message_id, event))
    except FAILURES as failure:
        return _why(failure)
    return fault_of(answer)


async def health_fault(url: str) -> str:
    """Return why n8n does not answer at its address; an empty text where anything of it does."""
    try:
        answer = await _exchange(httpx2.Request("GET", f"{url.rstrip('/')}/healthz"))
    except FAILURES as failure:
        return _why(failure)
    return f"it answers {answer.status}" if answer.status >= 500 else ""


def request_to(receiver: AlertReceiver, message_id: str, event: dict[str, Any]) -> httpx2.Request:
    """Write one attempt.

    Raises:
        httpx2.InvalidURL: the address is none.
    """
    body = json.dumps(event, separators=(",", ":")).encode()
    sent_at = str(int(time.time()))
    headers = {
        "content-type": "application/json",
        "user-agent": f"n8n-claude-bridge/{__version__} (webhook)",
        "accept-encoding": "identity",
        "webhook-id": message_id,
        "webhook-timestamp": sent_at,
        **fixed_headers(receiver.headers),
        **(authorization(receiver.auth) if receiver.auth else {}),
    }
    if receiver.standard_webhooks:
        key = key_of(receiver.standard_webhooks.get_secret_value())
        headers["webhook-signature"] = sign(key, message_id, sent_at, body)
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    return httpx2.Request("POST", receiver.url, headers=encoded, content=body)


NOT_TAKEN: tuple[tuple[Callable[[N8nAnswer], bool], str], ...] = (
    (
        lambda answer: answer.status // 100 == 3,
        "it answers with a redirect ({status}), and none is followed: put the final address into "
        "`url`",
    ),
    (
        lambda answer: answer.status in (401, 403),
        "it refuses the credential ({status}): make `auth` what it asks for",
    ),
    (
        lambda answer: answer.status == 404 and "is not registered" in answer.message,
        "the workflow is not active in n8n, or has another path: publish it, or mend `url`",
    ),
    (lambda answer: answer.status // 100 != 2, "it answers {status}"),
    (lambda answer: answer.message == STARTING_UP, "n8n is starting up"),
    (
        lambda answer: answer.value == TURNED_AWAY,
        "the Webhook node turned it away: its option Only Run If does not hold for it",
    ),
    (
        lambda answer: answer.is_broken_off,
        "the workflow failed while it answered: n8n's Executions list shows the cause",
    ),
    (
        lambda answer: answer.page is not None,
        "it answers with a web page, as what asks for a login does: let the bridge through",
    ),
)
"""What says that an event was not taken: the first row that holds tells why."""


def fault_of(answer: N8nAnswer) -> str:
    """Return why an answer does not mean that an event was taken; empty where it does."""
    found = (why for holds, why in NOT_TAKEN if holds(answer))
    return next(found, "").format(status=answer.status)


async def _exchange(request: httpx2.Request) -> N8nAnswer:
    async with asyncio.timeout(TIMEOUT_S):
        answer = await exchange(request, ANSWER_BYTES)
    return N8nAnswer(answer.status, answer.content_type, answer.body)


def _why(failure: Exception) -> str:
    if isinstance(failure, UNSENDABLE):
        return "its address, or a header, cannot be sent over HTTP: mend it"
    causes = tuple(causes_of(failure))
    found = (says for kind, says in CAUSES if any(isinstance(cause, kind) for cause in causes))
    return next(found, BROKEN)
